/** POST /tokenize, POST /detokenize, GET /tokenizer_info, as vLLM has them: lm-evaluation-harness asks all three. */
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Route } from '../http/index.js';
import { idList } from './bounded-schemas.js';
import { chatPrompt } from './chat-prompt.js';
import { chatPromptShape } from './chat-schema.js';
import { findModel, type OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import { optional } from './fields.js';
import { parseBody } from './parse-body.js';
import { checkTokenIds } from './shared-request.js';
import type { TemplateCaller } from './template-queue.js';
import { toolMode } from './tool-prompt.js';

const commonShape = {
  model: optional(z.string().max(1024)),
  add_special_tokens: optional(z.boolean()),
  return_token_strs: optional(z.boolean()),
};

const textSchema = z.object({ ...commonShape, prompt: z.string() });
const chatSchema = z.object({ ...commonShape, ...chatPromptShape });
const detokenizeSchema = z.object({
  model: commonShape.model,
  tokens: idList({ max: 500_000 }),
  skip_special_tokens: optional(z.boolean()),
});

/** Of a text without end nobody needs the ids; of one that is a few times too long some do. */
const LENGTH_FACTOR = 16;

export function tokenizeRoutes(context: OpenAiContext): Route[] {
  const { model, engine, texts } = context;
  return [
    {
      method: 'POST',
      path: '/tokenize',
      access: 'key',
      body: 'json',
      docs: {
        summary: 'The ids of a text, or of a conversation in the chat format',
        tag: 'Tokens',
        request: z.union([textSchema, chatSchema]),
        example: { prompt: '你好' },
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const { body, signal } = request;
        const isChat = typeof body === 'object' && body !== null && 'messages' in body;
        const { ids, wantsStrings } = await (isChat
          ? ofMessages(body, context, request)
          : ofText(body, context, signal));
        const tokens = await jsonList(ids, String);
        const strings =
          wantsStrings === true
            ? await jsonList(ids, (id) => JSON.stringify(model.tokenizer.idToToken(id)))
            : 'null';
        const sizes = `"count":${ids.length},"max_model_len":${engine.maxModelLength}`;
        reply.text(200, `{${sizes},"tokens":${tokens},"token_strs":${strings}}`, {
          'content-type': 'application/json; charset=utf-8',
          'cache-control': 'no-store',
        });
      },
    },
    {
      method: 'POST',
      path: '/detokenize',
      access: 'key',
      body: 'json',
      docs: {
        summary: 'The text of ids',
        tag: 'Tokens',
        request: detokenizeSchema,
        example: { tokens: [1] },
        errors: [404],
      },
      handler: async ({ body, signal }, reply) => {
        const fields = parseBody(detokenizeSchema, body, '/detokenize');
        findModel(context, fields.model);
        checkTokenIds(model, fields.tokens, 'tokens');
        const skipSpecialTokens = fields.skip_special_tokens ?? false;
        const prompt = await texts.decode(fields.tokens, skipSpecialTokens, signal);
        reply.json(200, { prompt });
      },
    },
    {
      method: 'GET',
      path: '/tokenizer_info',
      access: 'key',
      body: 'none',
      docs: { summary: 'Special tokens and sizes of the tokenizer', tag: 'Tokens' },
      handler: (_, reply) => {
        const { tokenizer } = model;
        const token = (id: number | undefined): string | null =>
          id === undefined ? null : tokenizer.idToToken(id);
        reply.json(200, {
          tokenizer_class: tokenizer.constructor.name,
          bos_token: token(tokenizer.bosTokenId),
          eos_token: token(tokenizer.eosTokenId ?? model.stopTokenIds[0]),
          pad_token: token(tokenizer.padTokenId),
          unk_token: token(tokenizer.unkTokenId),
          vocab_size: tokenizer.vocabSize,
          model_max_length: engine.maxModelLength,
          chat_template: context.chatTemplate ?? null,
        });
      },
    },
  ];
}

/** Ids that are written before others have their turn. */
const TURN = 32_768;

/** A list of a million ids, without keeping others waiting. */
async function jsonList(ids: readonly number[], show: (id: number) => string): Promise<string> {
  const pieces: string[] = [];
  for (let start = 0; start < ids.length; start += TURN) {
    if (start > 0) await setImmediate();
    pieces.push(
      ids
        .slice(start, start + TURN)
        .map(show)
        .join(','),
    );
  }
  return `[${pieces.join(',')}]`;
}

interface Tokenized {
  readonly ids: readonly number[];
  readonly wantsStrings: boolean | undefined;
}

async function ofText(body: unknown, context: OpenAiContext, signal: AbortSignal): Promise<Tokenized> {
  const { model, engine, texts } = context;
  const fields = parseBody(textSchema, body, '/tokenize');
  findModel(context, fields.model);
  checkTextLength(fields.prompt, { maxModelLength: LENGTH_FACTOR * engine.maxModelLength, model }, 'prompt');
  const ids = await texts.encode(fields.prompt, fields.add_special_tokens ?? true, signal);
  return { ids, wantsStrings: fields.return_token_strs };
}

async function ofMessages(body: unknown, context: OpenAiContext, caller: TemplateCaller): Promise<Tokenized> {
  const fields = parseBody(chatSchema, body, '/tokenize');
  findModel(context, fields.model);
  const { ids } = await chatPrompt(fields, toolMode(fields), context, caller);
  return { ids, wantsStrings: fields.return_token_strs };
}
