/** Anthropic's Messages API: POST /v1/messages, whole and as a stream, and /v1/messages/count_tokens. */
import { randomUUID } from 'node:crypto';
import type { HttpError, Reply, Route, RouteRequest } from '../http/index.js';
import {
  type ChatDelta,
  ChatRun,
  callInput,
  canThink,
  chatPromptTokens,
  type OpenAiContext,
  parseBody,
} from '../openai/index.js';
import { chatBodyOf, chatBodyOfPrompt, countSchema, messagesSchema } from './messages-schema.js';

const PATH = '/v1/messages';

export function anthropicRoutes(context: OpenAiContext): Route[] {
  const thinks = canThink(context.chatTemplate);
  return [
    {
      method: 'POST',
      path: PATH,
      access: 'key',
      body: 'json',
      errorBody: anthropicError,
      docs: {
        summary: "An answer to a conversation, in the form of Anthropic's Messages API",
        tag: 'Anthropic',
        request: messagesSchema,
        example: { model: context.model.id, max_tokens: 8, messages: [{ role: 'user', content: '你好' }] },
        isStream: true,
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const fields = parseBody(messagesSchema, request.body, PATH);
        const run = await ChatRun.plan(chatBodyOf(fields, thinks), PATH, context, request);
        await (fields.stream === true ? stream(run, request, reply) : whole(run, request, reply));
      },
    },
    {
      method: 'POST',
      path: `${PATH}/count_tokens`,
      access: 'key',
      body: 'json',
      errorBody: anthropicError,
      docs: {
        summary: 'How many tokens such a conversation has',
        tag: 'Anthropic',
        request: countSchema,
        example: { model: context.model.id, messages: [{ role: 'user', content: '你好' }] },
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const fields = parseBody(countSchema, request.body, PATH);
        const body = chatBodyOfPrompt(fields, thinks);
        reply.json(200, { input_tokens: await chatPromptTokens(body, PATH, context, request) });
      },
    },
  ];
}

function head(run: ChatRun): object {
  return {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model: run.model,
  };
}

async function whole(run: ChatRun, { signal }: RouteRequest, reply: Reply): Promise<void> {
  await run.run(signal);
  const { content, reasoning_content: thinking, tool_calls = [] } = run.message;
  reply.json(200, {
    ...head(run),
    content: [
      ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: '' }]),
      ...(content === null || (content === '' && tool_calls.length > 0)
        ? []
        : [{ type: 'text', text: content }]),
      ...tool_calls.map(({ id, function: { name, arguments: input } }) => ({
        type: 'tool_use',
        id,
        name,
        input: callInput(input),
      })),
    ],
    ...ending(run),
    usage: usageOf(run),
  });
}

async function stream(run: ChatRun, { signal }: RouteRequest, reply: Reply): Promise<void> {
  const events = reply.eventStream({ terminator: null, errorEvent: 'error' });
  const send = (type: string, fields: object): Promise<void> => events.send({ type, ...fields }, type);
  await send('message_start', {
    message: {
      ...head(run),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: run.promptTokens, output_tokens: 0 },
    },
  });
  const blocks = new BlockStream(send);
  await run.run(signal, (delta) => blocks.push(delta));
  await blocks.close();
  await send('message_delta', { delta: ending(run), usage: usageOf(run) });
  await send('message_stop', {});
  await events.end();
}

/** Texts and calls as blocks that open and close one after the other. */
class BlockStream {
  readonly #send: (type: string, fields: object) => Promise<void>;
  #index = -1;
  #open: 'none' | 'text' | 'thinking' | 'tool_use' = 'none';

  constructor(send: (type: string, fields: object) => Promise<void>) {
    this.#send = send;
  }

  async push({ content, reasoning_content: thinking, tool_calls = [] }: ChatDelta): Promise<void> {
    if (thinking !== undefined && thinking !== '') {
      if (this.#open !== 'thinking')
        await this.#begin('thinking', { type: 'thinking', thinking: '', signature: '' });
      await this.#delta({ type: 'thinking_delta', thinking });
    }
    if (content !== undefined && content !== '') {
      if (this.#open !== 'text') await this.#begin('text', { type: 'text', text: '' });
      await this.#delta({ type: 'text_delta', text: content });
    }
    for (const { id, function: called } of tool_calls) {
      if (id !== undefined)
        await this.#begin('tool_use', { type: 'tool_use', id, name: called.name, input: {} });
      if (called.arguments !== '')
        await this.#delta({ type: 'input_json_delta', partial_json: called.arguments });
    }
  }

  async close(): Promise<void> {
    if (this.#open !== 'none') await this.#send('content_block_stop', { index: this.#index });
    this.#open = 'none';
  }

  async #begin(kind: 'text' | 'thinking' | 'tool_use', block: object): Promise<void> {
    await this.close();
    this.#index += 1;
    this.#open = kind;
    await this.#send('content_block_start', { index: this.#index, content_block: block });
  }

  async #delta(delta: object): Promise<void> {
    await this.#send('content_block_delta', { index: this.#index, delta });
  }
}

function ending(run: ChatRun): { readonly stop_reason: string; readonly stop_sequence: string | null } {
  const sequence = typeof run.stopReason === 'string' ? run.stopReason : null;
  switch (run.finishReason) {
    case 'length':
      return { stop_reason: 'max_tokens', stop_sequence: null };
    case 'tool_calls':
      return { stop_reason: 'tool_use', stop_sequence: null };
    default:
      return { stop_reason: sequence === null ? 'end_turn' : 'stop_sequence', stop_sequence: sequence };
  }
}

function usageOf({ usage }: ChatRun): object {
  const cached = usage.prompt_tokens_details.cached_tokens;
  return {
    input_tokens: usage.prompt_tokens - cached,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: 0,
    output_tokens: usage.completion_tokens,
  };
}

function anthropicError(error: HttpError, { requestId }: { readonly requestId: string }): unknown {
  return {
    type: 'error',
    error: { type: typeOf(error.status), message: error.message },
    request_id: requestId,
  };
}

function typeOf(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}
