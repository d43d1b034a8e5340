/**
 * The fields that both completion routes take, as OpenAI, vLLM and llama.cpp name them. null is the same as absent. Unknown
 * fields are accepted (parse-body.ts says so in the log).
 */
import { z } from 'zod';
import { anyObject, idList, list, map } from './bounded-schemas.js';

export const MAX_CHOICES = 16;
export const MAX_LOG_PROBS = 20;
const MAX_STOPS = 16;
const MAX_LIST = 1024;
/** Of `logit_bias`. */
const MAX_BIASES = 4096;

/** Absent and null both become undefined. */
export function optional<Schema extends z.ZodType>(schema: Schema): z.ZodType<z.output<Schema> | undefined> {
  return z.nullish(schema).transform((value) => value ?? undefined);
}

const stopText = z.string().min(1).max(1024);
/** A JSON schema: an object, or true and false. */
const jsonSchema = z.union([anyObject(), z.boolean()]);

/**
 * What binds the form of an answer: a field that is not known here is refused, for without it the answer would have another
 * form than was asked for. null and false ask for nothing.
 */
function bindingObject<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$loose> {
  return z.looseObject(shape).superRefine((value, context) => {
    for (const [key, given] of Object.entries(value))
      if (!Object.hasOwn(shape, key) && given !== null && given !== undefined && given !== false)
        context.addIssue({ code: 'custom', path: [key], message: 'not supported here; leave it out' });
  });
}

const responseFormat = z.discriminatedUnion('type', [
  bindingObject({ type: z.literal('text') }),
  // With a schema, as llama.cpp and others have it.
  bindingObject({ type: z.literal('json_object'), schema: optional(jsonSchema) }),
  bindingObject({
    type: z.literal('json_schema'),
    json_schema: bindingObject({
      name: optional(z.string().max(256)),
      description: optional(z.string()),
      schema: optional(jsonSchema),
      strict: optional(z.boolean()),
    }),
  }),
]);

const structuredOutputs = bindingObject({
  json: optional(z.union([z.string(), jsonSchema])),
  regex: optional(z.string().min(1)),
  choice: optional(list(z.string().min(1), { min: 1, max: MAX_LIST })),
  json_object: optional(z.boolean()),
}).refine(
  ({ json, regex, choice, json_object }) =>
    [json, regex, choice, json_object === true ? true : undefined].filter((value) => value !== undefined)
      .length === 1,
  { message: 'give exactly one of json, regex, choice, json_object' },
);

export const sharedShape = {
  model: optional(z.string().min(1).max(1024)),
  // Sampling.
  temperature: optional(z.number().min(0).max(1e6)),
  top_p: optional(z.number().min(0).max(1)),
  top_k: optional(
    z
      .int()
      .min(-1)
      .max(2 ** 31 - 1),
  ),
  min_p: optional(z.number().min(0).max(1)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  repetition_penalty: optional(z.number().gt(0).max(1e6)),
  spark_penalty: optional(
    z.object({
      value: z.number().gt(0).max(1e6),
      increase: optional(z.number().min(-1e6).max(1e6)),
    }),
  ),
  logit_bias: optional(
    map(z.string().regex(/^\d{1,10}$/, 'a token id'), z.number().min(-100).max(100), MAX_BIASES),
  ),
  // A number beyond 2^53 has lost its last digits in JSON already; it still is a seed.
  seed: optional(
    z
      .number()
      .min(-(2 ** 63))
      .lt(2 ** 64)
      .refine(Number.isInteger, { message: 'expected a whole number' }),
  ),
  n: optional(z.int().min(1).max(MAX_CHOICES)),
  // Beams.
  use_beam_search: optional(z.boolean()),
  best_of: optional(z.int().min(1).max(MAX_CHOICES)),
  length_penalty: optional(z.number().min(-100).max(100)),
  early_stopping: optional(z.union([z.boolean(), z.literal('never')])),
  // Length and ends.
  min_tokens: optional(z.int().min(0)),
  stop: optional(z.union([stopText, list(stopText, { max: MAX_STOPS })])),
  stop_token_ids: optional(idList({ max: MAX_LIST })),
  include_stop_str_in_output: optional(z.boolean()),
  ignore_eos: optional(z.boolean()),
  // What may come, and how it is shown.
  bad_words: optional(list(z.string().min(1).max(1024), { max: 128 })),
  allowed_token_ids: optional(idList({ min: 1, max: MAX_LIST })),
  response_format: optional(responseFormat),
  structured_outputs: optional(structuredOutputs),
  skip_special_tokens: optional(z.boolean()),
  prompt_logprobs: optional(z.int().min(0).max(MAX_LOG_PROBS)),
  return_token_ids: optional(z.boolean()),
  return_tokens_as_token_ids: optional(z.boolean()),
  // The answer as a stream.
  stream: optional(z.boolean()),
  stream_options: optional(
    z.object({
      include_usage: optional(z.boolean()),
      continuous_usage_stats: optional(z.boolean()),
    }),
  ),
  // The prompt.
  add_special_tokens: optional(z.boolean()),
  truncate_prompt_tokens: optional(z.int().min(-1)),
  // Scheduling.
  priority: optional(z.int()),
  cache_salt: optional(z.string().min(1).max(1024)),
  // Accepted, without effect here.
  user: optional(z.string()),
  request_id: optional(z.string().max(1024)),
};

const sharedFields = z.object(sharedShape);
export type SharedFields = z.output<typeof sharedFields>;
