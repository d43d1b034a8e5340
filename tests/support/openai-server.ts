/** The routes of the OpenAI API over a scripted engine, behind a real HTTP server on a free port. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseArchitecture } from '../../src/models/index.js';
import { anthropicRoutes } from '../../src/serving/anthropic/index.js';
import { ApiKeys, createHttpServer } from '../../src/serving/http/index.js';
import { ollamaRoutes } from '../../src/serving/ollama/index.js';
import {
  createOpenAiContext,
  type OpenAiRoutesOptions,
  openAiRoutesOf,
} from '../../src/serving/openai/index.js';
import { responsesRoutes } from '../../src/serving/responses/index.js';
import {
  createServedModel,
  type ServedModel,
  type ServedModelParts,
} from '../../src/serving/served-model.js';
import { loadTokenizer } from '../../src/tokenizers/index.js';
import { FakeEngine, type FakeEngineOptions, type FakeToken } from './fake-engine.js';
import { goldenFolder } from './golden.js';

/** Spark's config and a tokenizer in its manner; no weights. */
export function sparkLikeModel(parts: Partial<ServedModelParts> = {}): ServedModel {
  const text = readFileSync(`${goldenFolder}spark/model_config.yaml`, 'utf8');
  const config: unknown = parse(text.replace('vocab_size: 320', 'vocab_size: 960'));
  return createServedModel({
    id: 'spark',
    architecture: parseArchitecture(config, 'test'),
    tokenizer: loadTokenizer(`${goldenFolder}tokenizers/spark_like`, { newlineToken: '<ret>' }),
    created: 1_700_000_000,
    ...parts,
  });
}

/** What an engine would give for this text: its tokens one by one, the end token last. */
export function tokensOf(model: ServedModel, text: string, hasEnd = true): FakeToken[] {
  const ids = model.tokenizer.encode(text);
  const stream = model.tokenizer.createDecodeStream({ skipSpecialTokens: true });
  const tokens = ids.map((id) => ({ id, text: stream.push(id) }));
  const end = model.stopTokenIds[0] ?? 0;
  return hasEnd ? [...tokens, { id: end, text: stream.end() }] : tokens;
}

/** Other keys are not asked for. */
const ADMIN_KEY = 'administrator';

export interface ApiServer {
  readonly url: string;
  /** A JSON body to a path; the answer with its parsed body. */
  post(path: string, body: unknown): Promise<{ status: number; headers: Headers; json: Json }>;
  get(path: string): Promise<{ status: number; json: Json }>;
  /** The data lines of an event stream, parsed; the last is the text "[DONE]". */
  stream(path: string, body: unknown): Promise<Json[]>;
  close(): Promise<void>;
}

export interface TestServer extends ApiServer {
  readonly engine: FakeEngine;
  readonly model: ServedModel;
}

/** Parsed JSON that a test looks into. */
// biome-ignore lint/suspicious/noExplicitAny: a test that looks for what is not there fails
export type Json = any;

export interface TestServerOptions extends FakeEngineOptions {
  readonly model?: ServedModel;
  readonly routes?: Partial<OpenAiRoutesOptions>;
  /** Default: none but the admin's, which `post` sends. */
  readonly keys?: ApiKeys;
}

export async function startOpenAiServer(options: TestServerOptions = {}): Promise<TestServer> {
  const model = options.model ?? sparkLikeModel();
  const engine = new FakeEngine(options);
  return { ...(await serveOpenAi({ model, engine, ...options.routes }, options.keys)), engine, model };
}

/** Over any engine. Closing it leaves the engine alone. */
export async function serveOpenAi(
  options: OpenAiRoutesOptions,
  keys = new ApiKeys({ keys: [], adminKeys: [ADMIN_KEY] }),
): Promise<ApiServer> {
  const context = createOpenAiContext(options);
  const routes = [openAiRoutesOf, responsesRoutes, anthropicRoutes, ollamaRoutes].flatMap((of) =>
    of(context),
  );
  const server = createHttpServer(routes, {
    port: 0,
    keys,
    accessLog: null,
  });
  await server.listen();
  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify(body),
    });
  const read = async (response: Response): Promise<Json> => {
    const text = await response.text();
    return response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text;
  };
  return {
    url: server.url,
    post: async (path, body) => {
      const response = await post(path, body);
      return { status: response.status, headers: response.headers, json: await read(response) };
    },
    get: async (path) => {
      const response = await fetch(`${server.url}${path}`);
      return { status: response.status, json: await read(response) };
    },
    stream: async (path, body) => {
      const response = await post(path, body);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
      return text
        .split('\n\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
    },
    close: () => server.close(),
  };
}
