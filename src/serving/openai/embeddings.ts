/** POST /v1/embeddings: texts as vectors of length 1, the model's own hidden states behind its final norm. */
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { TextRequest } from '../../generation/index.js';
import { badRequest, type Reply, type Route, type RouteRequest } from '../http/index.js';
import { promptSchema } from './completion-schema.js';
import { findModel, type OpenAiContext, type RequestedModel, requireEngine } from './context.js';
import { answerLength } from './context-length.js';
import { optional, sharedShape } from './fields.js';
import { parseBody } from './parse-body.js';
import { completionPrompts } from './prompt-ids.js';
import { runSequences } from './run-sequences.js';
import { cacheSalt, checkPriority } from './shared-request.js';
import { UsageMeter } from './usage.js';

const PATH = '/v1/embeddings';

const { model, add_special_tokens, truncate_prompt_tokens, priority, cache_salt, user } = sharedShape;

const embeddingsSchema = z.object({
  model,
  input: promptSchema,
  encoding_format: optional(z.enum(['float', 'base64'])),
  dimensions: optional(z.int().min(1)),
  add_special_tokens,
  truncate_prompt_tokens,
  priority,
  cache_salt,
  user,
});
type EmbeddingsFields = z.output<typeof embeddingsSchema>;

export function embeddingsRoute(context: OpenAiContext): Route {
  return {
    method: 'POST',
    path: PATH,
    access: 'key',
    body: 'json',
    docs: {
      summary: 'Texts as vectors of length 1',
      description:
        'Inputs are a text, ids, or a list of either. The vector of a text is the hidden state of its last token behind the ' +
        'final norm, or the mean over its tokens where the server pools so. encoding_format base64: float32, little-endian.',
      tag: 'OpenAI',
      request: embeddingsSchema,
      example: { input: ['你好', 'Hello'] },
      errors: [404],
    },
    handler: async (request, reply) => {
      const fields = parseBody(embeddingsSchema, request.body, PATH);
      requireEngine(context);
      const requested = findModel(context, fields.model);
      const requests = await planEmbeddings(fields, request, context, requested.adapter);
      const meter = new UsageMeter(
        requests.map(({ promptIds }) => promptIds.length),
        1,
      );
      request.note(() => ({
        model: requested.id,
        promptTokens: meter.usage.prompt_tokens,
        completionTokens: 0,
        firstTokenSeconds: undefined,
      }));
      const vectors: Float32Array[] = [];
      await runSequences(requests, {
        engine: context.engine,
        maxSequences: context.maxSequences,
        signal: request.signal,
        onEvent: (index, { embedding, end }) => {
          if (embedding !== undefined) vectors[index] = ofLengthOne(embedding);
          if (end !== undefined) meter.ended(index, end);
        },
      });
      await answer(vectors, fields, { requested, meter }, reply);
    },
  };
}

/** @throws HttpError 400 naming the field */
async function planEmbeddings(
  fields: EmbeddingsFields,
  caller: RouteRequest,
  context: OpenAiContext,
  adapter: string | undefined,
): Promise<TextRequest[]> {
  const { model, engine, pooling } = context;
  const { hiddenSize } = model.architecture.shape;
  if (fields.dimensions !== undefined && fields.dimensions !== hiddenSize)
    throw badRequest(
      `dimensions: ${fields.dimensions}; this model was not trained for shorter vectors. Give ${hiddenSize}, or leave it out`,
      'dimensions',
    );
  checkPriority(fields, caller, context);
  const options = { ...fields, field: 'input', answer: 0 } as const;
  const inputs = await completionPrompts(fields.input, options, context, caller.signal);
  return inputs.map(({ ids }, index) => {
    const param = inputs.length === 1 ? 'input' : `input.${index}`;
    return {
      promptIds: ids,
      pooling,
      maxNewTokens: answerLength(ids.length, 0, 0, engine.maxModelLength, param),
      adapter,
      cacheSalt: cacheSalt(fields.cache_salt, caller, context),
      priority: fields.priority,
      client: caller.client,
    };
  });
}

function ofLengthOne(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** Numbers that are written at one go: more would keep others waiting. */
const TURN = 16_384;

async function answer(
  vectors: readonly Float32Array[],
  fields: EmbeddingsFields,
  { requested, meter }: { readonly requested: RequestedModel; readonly meter: UsageMeter },
  reply: Reply,
): Promise<void> {
  const written = (vector: Float32Array): string | number[] =>
    fields.encoding_format === 'base64' ? littleEndian(vector).toString('base64') : Array.from(vector);
  const item = (vector: Float32Array, index: number): object => ({
    object: 'embedding',
    index,
    embedding: written(vector),
  });
  const { prompt_tokens, total_tokens, prompt_tokens_details } = meter.usage;
  const tail = { model: requested.id, usage: { prompt_tokens, total_tokens, prompt_tokens_details } };
  const width = vectors[0]?.length ?? 0;
  if (vectors.length * width <= TURN) {
    reply.json(200, { object: 'list', data: vectors.map(item), ...tail });
    return;
  }
  const stream = reply.textStream({ 'content-type': 'application/json; charset=utf-8' });
  await stream.write('{"object":"list","data":[');
  for (const [index, vector] of vectors.entries()) {
    await stream.write(`${index === 0 ? '' : ','}${JSON.stringify(item(vector, index))}`);
    if (index % Math.max(1, Math.floor(TURN / width)) === 0) await setImmediate();
  }
  await stream.write(`],${JSON.stringify(tail).slice(1)}`);
  await stream.end();
}

function littleEndian(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, 4 * index);
  return bytes;
}
