/** Streams of completions from `xinghe serve`, all connections open at once, beside the same requests on the bare engine. */
import http from 'node:http';
import { TextEngine } from '../../generation/index.js';
import { loadModel, openTokenizer } from '../../models/index.js';
import { prepareRuntime } from '../../tensor/index.js';
import { inventedPrompt } from './generation-settings.js';
import { type ServedProcess, startServedProcess } from './served-process.js';

export interface ServeSettings {
  readonly model: string;
  readonly streams: number;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** Of both ways in turns, after one that warms up; the best counts. */
  readonly repetitions: number;
  readonly threads?: number | undefined;
}

export interface ServeValues {
  readonly bareTokensPerSecond: number;
  readonly tokensPerSecond: number;
  /** Tokens a second over HTTP as a share of those of the bare engine. */
  readonly shareOfBare: number;
  /** From a request to its first token, over all streams of the last repetition. */
  readonly firstTokenP50: number;
  readonly firstTokenP90: number;
  readonly firstTokenP99: number;
  readonly memoryBeforeMiB?: number | undefined;
  readonly memoryAfterMiB?: number | undefined;
}

/** Texts that run together; the others wait in the queue of the engine, on both ways. */
const MAX_SEQUENCES = 64;

export async function measureServe(settings: ServeSettings): Promise<ServeValues> {
  const { model: path, streams, promptTokens, newTokens, repetitions, threads } = settings;
  prepareRuntime(threads === undefined ? {} : { threads });
  const { model } = loadModel(path, {});
  const cacheTokens = (promptTokens + newTokens + 32) * Math.min(streams, MAX_SEQUENCES);
  const options = { cacheTokens, maxSequences: MAX_SEQUENCES, prefixCache: false };
  const engine = new TextEngine(model, openTokenizer(path), options);
  const prompts = Array.from({ length: streams }, (_, index) =>
    inventedPrompt(model.shape.vocabSize, index, promptTokens),
  );
  const server = await startServedProcess([
    ...['--model', path, '--no-prefix-cache', '--kv-cache-tokens', String(cacheTokens)],
    ...['--max-sequences', String(MAX_SEQUENCES), '--max-queued-requests', String(streams)],
    ...['--max-queued-tokens', String(streams * (promptTokens + newTokens))],
    ...(threads === undefined ? [] : ['--threads', String(threads)]),
  ]);
  try {
    const tokens = streams * newTokens;
    let [bare, served] = [0, 0];
    let firstTokens: number[] = [];
    let before: number | undefined;
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      const bareSeconds = runBare(engine, prompts, newTokens);
      const started = performance.now();
      firstTokens = await streamAll(server, prompts, newTokens);
      const servedSeconds = (performance.now() - started) / 1000;
      // The first one warms up both; what it made the server grow by is not a leak.
      if (repetition === 0) before = server.memoryMiB();
      else [bare, served] = [Math.max(bare, tokens / bareSeconds), Math.max(served, tokens / servedSeconds)];
    }
    return {
      bareTokensPerSecond: bare,
      tokensPerSecond: served,
      shareOfBare: served / bare,
      firstTokenP50: quantile(firstTokens, 0.5),
      firstTokenP90: quantile(firstTokens, 0.9),
      firstTokenP99: quantile(firstTokens, 0.99),
      memoryBeforeMiB: before,
      memoryAfterMiB: server.memoryMiB(),
    };
  } finally {
    engine.dispose();
    await server.stop();
  }
}

/** @returns seconds */
function runBare(engine: TextEngine, prompts: readonly (readonly number[])[], newTokens: number): number {
  const started = performance.now();
  for (const [index, promptIds] of prompts.entries())
    engine.submit(String(index), { promptIds, maxNewTokens: newTokens });
  let ended = 0;
  while (ended < prompts.length)
    for (const { event } of engine.step()) if (event?.end !== undefined) ended += 1;
  return (performance.now() - started) / 1000;
}

/** @returns milliseconds to each stream's first token @throws Error for an answer that is not whole */
async function streamAll(
  { url }: ServedProcess,
  prompts: readonly (readonly number[])[],
  newTokens: number,
): Promise<number[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: prompts.length });
  try {
    return await Promise.all(prompts.map((prompt) => stream(url, agent, prompt, newTokens)));
  } finally {
    agent.destroy();
  }
}

function stream(url: URL, agent: http.Agent, prompt: readonly number[], newTokens: number): Promise<number> {
  const body = { prompt, max_tokens: newTokens, temperature: 0, ignore_eos: true, stream: true };
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const request = http.request(new URL('/v1/completions', url), {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json' },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let first = 0;
      let tail = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        if (first === 0) first = performance.now() - started;
        tail = (tail + text).slice(-200);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && tail.endsWith('data: [DONE]\n\n')) resolve(first);
        else reject(new Error(`a stream ended with status ${response.statusCode}: ${tail}`));
      });
    });
    request.end(JSON.stringify(body));
  });
}

/** @param share 0 to 1 */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
