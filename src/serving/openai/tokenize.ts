/** POST /tokenize, POST /detokenize, GET /tokenizer_info, as vLLM has them: lm-evaluation-harness asks all three. */
import { z } from 'zod';
import type { Route } from '../http/index.js';
import { chatIds } from './chat-ids.js';
import { chatPromptShape } from './chat-schema.js';
import { findModel, type OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import { optional, tokenId } from './fields.js';
import { parseBody } from './parse-body.js';
import { checkTokenId } from './shared-request.js';
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
  tokens: z.array(tokenId).max(1_000_000),
  skip_special_tokens: optional(z.boolean()),
});

/** Of a text without end nobody needs the ids; of one that is a few times too long some do. */
const LENGTH_FACTOR = 16;

export function tokenizeRoutes(context: OpenAiContext): Route[] {
  const { model, engine } = context;
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
      handler: async ({ body }, reply) => {
        const isChat = typeof body === 'object' && body !== null && 'messages' in body;
        const { ids, wantsStrings } = isChat ? await ofMessages(body, context) : ofText(body, context);
        reply.json(200, {
          count: ids.length,
          max_model_len: engine.maxModelLength,
          tokens: ids,
          token_strs: wantsStrings === true ? ids.map((id) => model.tokenizer.idToToken(id)) : null,
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
      handler: ({ body }, reply) => {
        const fields = parseBody(detokenizeSchema, body, '/detokenize');
        findModel(context, fields.model);
        for (const [index, id] of fields.tokens.entries()) checkTokenId(model, id, `tokens.${index}`);
        const skipSpecialTokens = fields.skip_special_tokens ?? false;
        reply.json(200, { prompt: model.tokenizer.decode(fields.tokens, { skipSpecialTokens }) });
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

interface Tokenized {
  readonly ids: readonly number[];
  readonly wantsStrings: boolean | undefined;
}

function ofText(body: unknown, context: OpenAiContext): Tokenized {
  const { model, engine } = context;
  const fields = parseBody(textSchema, body, '/tokenize');
  findModel(context, fields.model);
  checkTextLength(fields.prompt, { maxModelLength: LENGTH_FACTOR * engine.maxModelLength, model }, 'prompt');
  const ids = model.encode(fields.prompt, fields.add_special_tokens ?? true);
  return { ids, wantsStrings: fields.return_token_strs };
}

async function ofMessages(body: unknown, context: OpenAiContext): Promise<Tokenized> {
  const fields = parseBody(chatSchema, body, '/tokenize');
  findModel(context, fields.model);
  const ids = await chatIds(fields, toolMode(fields), context);
  return { ids, wantsStrings: fields.return_token_strs };
}
