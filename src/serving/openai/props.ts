/** GET /props, in the form of llama.cpp: what the chat page needs at its start. */
import type { Route } from '../http/index.js';
import type { OpenAiContext } from './context.js';
import { MAX_CHOICES, MAX_LOG_PROBS } from './fields.js';

export function propsRoute(context: OpenAiContext): Route {
  const { model, engine } = context;
  return {
    method: 'GET',
    path: '/props',
    access: 'key',
    body: 'none',
    docs: { summary: 'The model, its defaults and its limits', tag: 'Server' },
    handler: (_, reply) => {
      const { defaults, tokenizer } = model;
      const token = (id: number | undefined): string | null =>
        id === undefined ? null : tokenizer.idToToken(id);
      reply.json(200, {
        default_generation_settings: {
          n_ctx: engine.maxModelLength,
          params: {
            temperature: defaults.temperature ?? 1,
            top_p: defaults.topP ?? 1,
            top_k: defaults.topK ?? 0,
            min_p: defaults.minP ?? 0,
            repetition_penalty: defaults.repetitionPenalty ?? 1,
            presence_penalty: 0,
            frequency_penalty: 0,
          },
        },
        model_alias: model.id,
        family: model.architecture.family,
        adapters: engine.adapters.map(({ name }) => name),
        can_chat: model.chatFault === undefined || context.chatTemplate !== undefined,
        chat_fault: model.chatFault ?? null,
        chat_template: context.chatTemplate ?? null,
        bos_token: token(tokenizer.bosTokenId),
        eos_token: token(tokenizer.eosTokenId),
        limits: { n: MAX_CHOICES, logprobs: MAX_LOG_PROBS },
        modalities: { vision: false, audio: false },
      });
    },
  };
}
