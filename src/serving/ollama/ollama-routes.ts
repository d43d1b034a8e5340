/** Ollama's API: POST /api/chat and /api/generate, whole and as lines of JSON, GET /api/tags and /api/version. */
import type { HttpError, Reply, Route, RouteRequest } from '../http/index.js';
import { ChatRun, callInput, canThink, type OpenAiContext, parseBody } from '../openai/index.js';
import {
  chatBodyOfMessages,
  chatBodyOfPrompt,
  ollamaChatSchema,
  ollamaGenerateSchema,
} from './ollama-schema.js';

/** The release of Ollama whose API this is; its clients compare it. */
const API_VERSION = '0.12.0';
const NANOSECONDS = 1e6;

export function ollamaRoutes(context: OpenAiContext): Route[] {
  const { model } = context;
  const thinks = canThink(context.chatTemplate);
  return [
    {
      method: 'POST',
      path: '/api/chat',
      access: 'key',
      body: 'json',
      errorBody: ollamaError,
      docs: {
        summary: "An answer to a conversation, in the form of Ollama's API",
        tag: 'Ollama',
        request: ollamaChatSchema,
        example: {
          model: model.id,
          messages: [{ role: 'user', content: '你好' }],
          options: { num_predict: 8 },
        },
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const fields = parseBody(ollamaChatSchema, request.body, '/api/chat');
        if (fields.messages === undefined || fields.messages.length === 0)
          return loaded(fields.model, 'chat', reply);
        const run = await planned(chatBodyOfMessages(fields, thinks), '/api/chat', context, request);
        await answer(run, 'chat', fields.stream ?? true, request, reply);
      },
    },
    {
      method: 'POST',
      path: '/api/generate',
      access: 'key',
      body: 'json',
      errorBody: ollamaError,
      docs: {
        summary: "An answer to one prompt, in the form of Ollama's API",
        tag: 'Ollama',
        request: ollamaGenerateSchema,
        example: { model: model.id, prompt: '你好', options: { num_predict: 8 } },
        errors: [404, 422],
      },
      handler: async (request, reply) => {
        const fields = parseBody(ollamaGenerateSchema, request.body, '/api/generate');
        if ((fields.prompt ?? '') === '') return loaded(fields.model, 'generate', reply);
        const run = await planned(chatBodyOfPrompt(fields, thinks), '/api/generate', context, request);
        await answer(run, 'generate', fields.stream ?? true, request, reply);
      },
    },
    {
      method: 'GET',
      path: '/api/tags',
      access: 'key',
      body: 'none',
      errorBody: ollamaError,
      docs: { summary: 'The model and its adapters, as Ollama lists models', tag: 'Ollama' },
      handler: (_, reply) => {
        const names = [model.id, ...context.engine.adapters.map(({ name }) => name)];
        reply.json(200, { models: names.map((name) => tagOf(name, context)) });
      },
    },
    {
      method: 'GET',
      path: '/api/version',
      access: 'key',
      body: 'none',
      docs: { summary: "The version of Ollama's API", tag: 'Ollama' },
      handler: (_, reply) => reply.json(200, { version: API_VERSION }),
    },
  ];
}

type Kind = 'chat' | 'generate';

function tagOf(name: string, { model, fingerprint }: OpenAiContext): object {
  return {
    name,
    model: name,
    modified_at: new Date(model.created * 1000).toISOString(),
    size: 0,
    digest: fingerprint,
    details: {
      parent_model: name === model.id ? '' : model.id,
      format: 'safetensors',
      family: model.architecture.family,
      families: [model.architecture.family],
      parameter_size: '',
      quantization_level: '',
    },
  };
}

/** Ollama's clients write `name:latest` for a name without a tag. */
async function planned(
  body: Readonly<Record<string, unknown>>,
  route: string,
  context: OpenAiContext,
  request: RouteRequest,
): Promise<ChatRun> {
  const name = String(body.model);
  const known = [context.model.id, ...context.engine.adapters.map((adapter) => adapter.name)];
  const bare = name.replace(/:latest$/, '');
  const model = !known.includes(name) && known.includes(bare) ? bare : name;
  return await ChatRun.plan({ ...body, model }, route, context, request);
}

/** Without a question the model is only loaded, which it is. */
function loaded(model: string, kind: Kind, reply: Reply): void {
  reply.json(200, { ...line(model, kind, { text: '' }), done: true, done_reason: 'load' });
}

interface Said {
  readonly text: string;
  readonly thinking?: string | undefined;
  readonly calls?: readonly object[] | undefined;
}

function line(model: string, kind: Kind, { text, thinking, calls }: Said): Record<string, unknown> {
  const created_at = new Date().toISOString();
  const thought = thinking !== undefined && { thinking };
  if (kind === 'generate') return { model, created_at, response: text, ...thought, done: false };
  return {
    model,
    created_at,
    message: {
      role: 'assistant',
      content: text,
      ...thought,
      ...(calls !== undefined && { tool_calls: calls }),
    },
    done: false,
  };
}

async function answer(
  run: ChatRun,
  kind: Kind,
  isStream: boolean,
  { signal }: RouteRequest,
  reply: Reply,
): Promise<void> {
  const started = performance.now();
  if (!isStream) {
    await run.run(signal);
    reply.json(200, {
      ...line(run.model, kind, {
        text: run.message.content ?? '',
        thinking: run.message.reasoning_content,
        calls: callsOf(run),
      }),
      ...ending(run, started),
    });
    return;
  }
  const stream = reply.textStream({ 'content-type': 'application/x-ndjson' });
  await run.run(signal, async ({ content, reasoning_content: thinking }) => {
    if (thinking !== undefined && thinking !== '')
      await stream.write(`${JSON.stringify(line(run.model, kind, { text: '', thinking }))}\n`);
    if (content !== undefined && content !== '')
      await stream.write(`${JSON.stringify(line(run.model, kind, { text: content }))}\n`);
  });
  // A call is whole or nothing to Ollama's clients.
  const calls = callsOf(run);
  if (calls !== undefined)
    await stream.write(`${JSON.stringify(line(run.model, kind, { text: '', calls }))}\n`);
  await stream.write(
    `${JSON.stringify({ ...line(run.model, kind, { text: '' }), ...ending(run, started) })}\n`,
  );
  await stream.end();
}

function callsOf({ message }: ChatRun): readonly object[] | undefined {
  return message.tool_calls?.map(({ id, function: { name, arguments: input } }) => ({
    id,
    function: { name, arguments: callInput(input) },
  }));
}

function ending(run: ChatRun, started: number): object {
  const { timings, usage } = run;
  return {
    done: true,
    done_reason: run.finishReason === 'length' ? 'length' : 'stop',
    total_duration: Math.round((performance.now() - started) * NANOSECONDS),
    load_duration: 0,
    prompt_eval_count: usage.prompt_tokens,
    prompt_eval_duration: Math.round(timings.prompt_ms * NANOSECONDS),
    eval_count: usage.completion_tokens,
    eval_duration: Math.round(timings.predicted_ms * NANOSECONDS),
  };
}

function ollamaError({ message }: HttpError): unknown {
  return { error: message };
}
