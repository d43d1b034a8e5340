/** Bodies of Ollama's API, and what they are in the fields of a chat or a completion. */
import { z } from 'zod';
import { badRequest } from '../http/index.js';
import { anyObject, list, optional } from '../openai/index.js';

const toolCall = z.object({
  id: optional(z.string()),
  function: z.object({ name: z.string().min(1), arguments: optional(anyObject()) }),
});

const message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: optional(z.string()),
  thinking: optional(z.string()),
  images: optional(list(z.string(), { max: 64 })),
  tool_calls: optional(list(toolCall, { max: 128 })),
  tool_name: optional(z.string()),
});

const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string(),
    description: optional(z.string()),
    parameters: optional(anyObject()),
  }),
});

/** Options of the runner that have no meaning here (num_ctx, num_gpu, …) are passed over. */
const options = z.object({
  num_predict: optional(z.int()),
  temperature: optional(z.number()),
  top_p: optional(z.number()),
  top_k: optional(z.int()),
  min_p: optional(z.number()),
  seed: optional(z.int()),
  stop: optional(z.union([z.string(), list(z.string(), { max: 16 })])),
  repeat_penalty: optional(z.number()),
  presence_penalty: optional(z.number()),
  frequency_penalty: optional(z.number()),
});

const sharedShape = {
  model: z.string().min(1).max(1024),
  stream: optional(z.boolean()).describe('Default true.'),
  format: optional(z.union([z.literal(''), z.literal('json'), anyObject()])),
  options: optional(options),
  think: optional(z.union([z.boolean(), z.string()])),
  keep_alive: optional(z.union([z.string(), z.number()])),
};

export const ollamaChatSchema = z.object({
  ...sharedShape,
  messages: optional(list(message, { max: 16_384 })),
  tools: optional(list(tool, { max: 128 })),
});

export const ollamaGenerateSchema = z.object({
  ...sharedShape,
  prompt: optional(z.string()),
  suffix: optional(z.string()),
  system: optional(z.string()),
  images: optional(list(z.string(), { max: 64 })),
  raw: optional(z.boolean()),
});

type SharedFields = Omit<
  z.output<typeof ollamaGenerateSchema>,
  'prompt' | 'suffix' | 'system' | 'images' | 'raw'
>;
type ChatFields = z.output<typeof ollamaChatSchema>;

/** @throws HttpError 400 */
export function chatBodyOfMessages(fields: ChatFields, canThink: boolean): Record<string, unknown> {
  const messages = (fields.messages ?? []).map(
    ({ role, content = '', thinking, images, tool_calls, tool_name }) => {
      if (images !== undefined && images.length > 0) throw noImages();
      const calls = tool_calls?.map(({ id, function: { name, arguments: input } }) => ({
        id,
        function: { name, arguments: JSON.stringify(input ?? {}) },
      }));
      return {
        role,
        content,
        ...(thinking && { reasoning_content: thinking }),
        ...(calls && { tool_calls: calls }),
        ...(tool_name && { tool_call_id: tool_name }),
      };
    },
  );
  const hasTools = fields.tools !== undefined && fields.tools.length > 0;
  return { ...sharedBody(fields, canThink), messages, ...(hasTools && { tools: fields.tools }) };
}

/** @throws HttpError 400 */
export function chatBodyOfPrompt(
  fields: z.output<typeof ollamaGenerateSchema>,
  canThink: boolean,
): Record<string, unknown> {
  if (fields.images !== undefined && fields.images.length > 0) throw noImages();
  if ((fields.suffix ?? '') !== '')
    throw badRequest('suffix: these models fill no gaps; leave it out', 'suffix');
  if (fields.raw === true)
    throw badRequest('raw: not here; POST /v1/completions continues a text as it is', 'raw');
  const system = fields.system === undefined ? [] : [{ role: 'system', content: fields.system }];
  return {
    ...sharedBody(fields, canThink),
    messages: [...system, { role: 'user', content: fields.prompt ?? '' }],
  };
}

function noImages(): Error {
  return badRequest('images: these models read text alone', 'images');
}

function sharedBody(
  { model, format, options: given, think }: SharedFields,
  canThink: boolean,
): Record<string, unknown> {
  if (think !== undefined && think !== false && !canThink)
    throw badRequest('think: this model has no thinking of its own; leave it out', 'think');
  const { num_predict: length, repeat_penalty, ...rest } = given ?? options.parse({});
  return {
    model,
    // Levels ("low", "high") are those of models that have them; here a model thinks or does not.
    ...(think !== undefined && { chat_template_kwargs: { enable_thinking: think !== false } }),
    ...rest,
    repetition_penalty: repeat_penalty,
    // -1 and -2: as long as it goes.
    max_tokens: length === undefined || length < 0 ? undefined : length,
    response_format: responseFormat(format),
  };
}

function responseFormat(format: SharedFields['format']): unknown {
  if (format === undefined || format === '') return undefined;
  if (format === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema: format } };
}
