// What HTTP and the engine's process cost: the same completions by the bare engine in this process, by its process without
// HTTP, and as event streams from `xinghe serve`, in turns.
//
//   node bench/serving-overhead.mjs [--streams 16] [--tokens 128] [--prompt 32] [--rounds 5] [--threads N] [--dtype bfloat16]
//                                   [--layers 12 --hidden 768 --ffn 2048 --heads 12]
//
// Prints milliseconds for each step of all streams (the whole time, prompts included, divided by the tokens of one stream),
// the least and the median over the rounds, and the share over the bare engine. Reader and server share the machine: where
// other work runs on it, the time of the processor that each process takes for a step tells more.
import { readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { startEngine } from '../dist/serving/engine-process/text-engine-module.js';
import { EngineProcess } from '../dist/serving/index.js';
import { quantile, startServer, writeModel } from './serving-setup.mjs';

const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '16' },
    tokens: { type: 'string', default: '128' },
    prompt: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    dtype: { type: 'string', default: 'bfloat16' },
    layers: { type: 'string', default: '12' },
    hidden: { type: 'string', default: '768' },
    ffn: { type: 'string', default: '2048' },
    heads: { type: 'string', default: '12' },
  },
});
const [streams, tokens, prompt, rounds, threads] = ['streams', 'tokens', 'prompt', 'rounds', 'threads'].map(
  (name) => Number(options[name]),
);

const folder = await writeModel({
  layers: Number(options.layers),
  hidden: Number(options.hidden),
  ffn: Number(options.ffn),
  heads: Number(options.heads),
  dtype: options.dtype,
});
const setup = {
  model: { path: folder },
  threads,
  stopIds: [],
  settings: { cacheTokens: 2 * streams * (tokens + prompt + 16), prefixCache: false },
};
const prompts = Array.from({ length: streams }, (_, row) =>
  Array.from({ length: prompt }, (_, place) => 10 + ((row * 131 + place * 17) % 900)),
);
const requests = prompts.map((promptIds) => ({ promptIds, maxNewTokens: tokens }));

const { engine } = startEngine(setup);
function bare() {
  let ended = 0;
  for (const [index, request] of requests.entries()) engine.submit(String(index), request);
  while (ended < streams) for (const { event } of engine.step()) if (event?.end !== undefined) ended += 1;
}

const separate = new EngineProcess({
  module: new URL('../dist/serving/engine-process/text-engine-module.js', import.meta.url),
  setup,
  queue: { maxRequests: streams, maxTokens: 1e9 },
});
await separate.ready;
async function byProcess() {
  await Promise.all(
    requests.map(async (request) => {
      for await (const _ of separate.generate(request));
    }),
  );
}

const server = await startServer([
  ...['--model', folder, '--threads', String(threads), '--no-prefix-cache'],
  ...['--kv-cache-tokens', String(setup.settings.cacheTokens)],
]);
const agent = new http.Agent({ keepAlive: true });
function stream(promptIds) {
  return new Promise((resolve, reject) => {
    const body = { prompt: promptIds, max_tokens: tokens, temperature: 0, ignore_eos: true, stream: true };
    const request = http.request(`${server.url}/v1/completions`, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json' },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let tail = '';
      response.setEncoding('utf8').on('data', (text) => {
        tail = (tail + text).slice(-20);
      });
      response.on('end', () =>
        tail.endsWith('data: [DONE]\n\n') ? resolve(undefined) : reject(new Error(tail)),
      );
    });
    request.end(JSON.stringify(body));
  });
}
const byHttp = () => Promise.all(prompts.map(stream));

/** @param {number} pid milliseconds of all its threads; the system counts in hundredths of a second */
function processorMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

/** Rounds until the code of all three is compiled. */
const WARM_UP = 3;

const cases = [
  { name: 'bare engine, in one process', run: bare, engine: process.pid, server: undefined },
  { name: 'engine process', run: byProcess, engine: separate.pid, server: undefined },
  { name: 'HTTP, event streams', run: byHttp, engine: server.enginePid, server: server.pid },
].map((each) => ({ ...each, times: [], engineMs: 0, serverMs: 0 }));
for (let round = -WARM_UP; round < rounds; round++)
  for (const each of cases) {
    const start = performance.now();
    const engineStart = processorMs(each.engine);
    const serverStart = each.server === undefined ? 0 : processorMs(each.server);
    await each.run();
    if (round < 0) continue;
    each.times.push((performance.now() - start) / tokens);
    each.engineMs += processorMs(each.engine) - engineStart;
    if (each.server !== undefined) each.serverMs += processorMs(each.server) - serverStart;
  }
agent.destroy();
engine.dispose();
await separate.close();
await server.stop();
rmSync(dirname(folder), { recursive: true, force: true });

const load = loadavg()[0]?.toFixed(1);
console.log(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${threads} threads, load ${load}`);
console.log(
  `${streams} streams of ${prompt} + ${tokens} tokens; ${options.layers} layers of ${options.hidden}, ${options.dtype}`,
);
console.log(
  '| way | ms a step, least (median) | over the bare engine | processor ms a step: engine | HTTP |',
);
console.log('| --- | --- | --- | --- | --- |');
const least = (values) => Math.min(...values);
const median = (values) => quantile(values, 0.5);
const base = cases[0]?.times ?? [];
const share = (ours, theirs) => `${((ours / theirs - 1) * 100).toFixed(1)} %`;
for (const { name, times, engineMs, serverMs } of cases) {
  const columns = [
    name,
    `${least(times).toFixed(2)} (${median(times).toFixed(2)})`,
    `${share(least(times), least(base))} (${share(median(times), median(base))})`,
    (engineMs / rounds / tokens).toFixed(2),
    serverMs === 0 ? '' : (serverMs / rounds / tokens).toFixed(2),
  ];
  console.log(`| ${columns.join(' | ')} |`);
}
