/**
 * A server for the chat page without a model: OpenAI's routes over node:http, answers from a script. It can be slow,
 * busy, locked by a key, and die in the middle.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { script } from './script.js';

/** What the page must work under. The server of the product sends the same. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface MockOptions {
  /** The built page. */
  readonly folder: string;
  readonly key?: string;
  /** Milliseconds from one piece of text to the next. Default 8. */
  readonly pace?: number;
}

export interface Asked {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly body: Readonly<Record<string, unknown>>;
  /** The client hung up before the end. */
  isAborted: boolean;
  isFinished: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export class MockServer {
  readonly asked: Asked[] = [];
  /** How many of the next answers are refused, and how. */
  refusals: { status: 429 | 503; retryAfter: number; times: number } | undefined;
  /** The connection breaks after so many pieces of the next answer. */
  breakAfter: number | undefined;
  pace: number;
  /** Answers are refused as too long for the context while they have more messages than this. */
  mostMessages = Number.POSITIVE_INFINITY;
  /** Tokens of the context, as /v1/models tells them. */
  maxModelLength = 8192;
  /** Without /tokenize, as some servers are. */
  canTokenize = true;
  /** The key that is wanted from now on. */
  key: string | undefined;
  readonly #options: MockOptions;
  #server: Server | undefined;
  #port = 0;

  constructor(options: MockOptions) {
    this.#options = options;
    this.pace = options.pace ?? 8;
    this.key = options.key;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** At the port it had before, if it had one. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }

  /** At once, as one that is killed. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/health') return sendJson(response, 200, { status: 'ok' });
    if (pathname === '/props' || pathname === '/tokenize' || pathname.startsWith('/v1/')) {
      const { key } = this;
      if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
        return sendError(response, 401, 'Missing or wrong API key.', 'authentication_error');
      return this.#answerApi(pathname, request, response);
    }
    return this.#sendFile(pathname, response);
  }

  async #answerApi(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (pathname) {
      case '/v1/models':
        return sendJson(response, 200, {
          object: 'list',
          data: [
            {
              id: 'telechat-7b',
              object: 'model',
              created: 1,
              owned_by: 'xinghe',
              parent: null,
              max_model_len: this.maxModelLength,
            },
            {
              id: 'poet',
              object: 'model',
              created: 1,
              owned_by: 'xinghe',
              parent: 'telechat-7b',
              max_model_len: 8192,
            },
          ],
        });
      case '/props':
        return sendJson(response, 200, {
          default_generation_settings: {
            n_ctx: 8192,
            params: { temperature: 0.3, top_p: 0.85, top_k: 5, repetition_penalty: 1.01, min_p: 0 },
          },
        });
      case '/tokenize': {
        if (!this.canTokenize) break;
        const { prompt } = JSON.parse(await bodyOf(request));
        return sendJson(response, 200, { count: String(prompt).length, max_model_len: this.maxModelLength });
      }
      case '/v1/chat/completions':
        return this.#chat(JSON.parse(await bodyOf(request)), response);
      default:
    }
    sendError(response, 404, `no route ${pathname}`, 'NotFoundError');
  }

  async #chat(
    body: Asked['body'] & Pick<Asked, 'model' | 'messages'>,
    response: ServerResponse,
  ): Promise<void> {
    if (this.refusals !== undefined && this.refusals.times > 0) {
      this.refusals.times--;
      response.setHeader('retry-after', String(this.refusals.retryAfter));
      return sendError(response, this.refusals.status, 'The queue is full.', 'unavailable_error');
    }
    if (body.messages.length > this.mostMessages)
      return sendJson(response, 400, {
        error: {
          message: 'The conversation has 9000 tokens, the model reads 8192.',
          type: 'BadRequestError',
          param: null,
          code: 'context_length_exceeded',
        },
      });
    const asked: Asked = {
      model: body.model,
      messages: body.messages,
      body,
      isAborted: false,
      isFinished: false,
    };
    this.asked.push(asked);
    response.on('close', () => {
      asked.isAborted = !asked.isFinished;
    });
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
    const common = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model };
    const send = (event: object): boolean =>
      response.write(`data: ${JSON.stringify({ ...common, ...event })}\n\n`);
    const promptTokens = body.messages.reduce((sum, { content }) => sum + content.length, 0);
    const usage = (count: number): object => ({
      prompt_tokens: promptTokens,
      completion_tokens: count,
      total_tokens: promptTokens + count,
      prompt_tokens_details: { cached_tokens: 16 },
    });
    send({
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      usage: null,
    });
    const breakAfter = this.breakAfter;
    this.breakAfter = undefined;
    const answer = script(body.messages, body.continue_final_message === true, body.model);
    const [reasoning, text] = typeof answer === 'string' ? ['', answer] : [answer.reasoning, answer.text];
    const pieces = piecesOf(text);
    for (const piece of piecesOf(reasoning)) {
      if (this.pace > 0) await sleep(this.pace);
      if (response.destroyed) return;
      send({ choices: [{ index: 0, delta: { reasoning_content: piece }, finish_reason: null }] });
    }
    const start = performance.now();
    for (const [index, content] of pieces.entries()) {
      if (this.pace > 0) await sleep(this.pace);
      if (response.destroyed) return;
      if (index === breakAfter) {
        response.destroy();
        return;
      }
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: usage(index + 1) });
    }
    const finishReason = body.max_tokens === 3 ? 'length' : 'stop';
    send({ choices: [{ index: 0, delta: {}, finish_reason: finishReason }], usage: null });
    const perSecond = pieces.length / ((performance.now() - start) / 1000);
    send({ choices: [], usage: usage(pieces.length), timings: { predicted_per_second: perSecond } });
    asked.isFinished = true;
    response.end('data: [DONE]\n\n');
  }

  #sendFile(pathname: string, response: ServerResponse): void {
    const path = normalize(pathname === '/' ? '/index.html' : pathname);
    let content: Buffer;
    try {
      content = readFileSync(join(this.#options.folder, path));
    } catch {
      sendError(response, 404, `no file ${path}`, 'NotFoundError');
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': PAGE_POLICY,
      'x-content-type-options': 'nosniff',
    });
    response.end(content);
  }
}

/** As a tokenizer would cut it: two or three characters, a word. */
function piecesOf(text: string): string[] {
  return text.match(/[A-Za-z]+ ?|\s+|[\u4e00-\u9fff]{1,2}|./gsu) ?? [];
}

function sendJson(response: ServerResponse, status: number, content: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(content));
}

function sendError(response: ServerResponse, status: number, message: string, type: string): void {
  sendJson(response, status, { error: { message, type, param: null, code: null } });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}
