// A server under load and attack: many streams at once, clients that hang up or read slowly, bodies that are wrong or huge.
// Tells whether every request was answered as it should be, what is left behind, and the times that readers saw.
//
//   node bench/serving-load.mjs [--streams 200] [--seconds 60] [--warm-up 15] [--hang-up 0.1] [--layers 3 --hidden 64 --ffn 172 --heads 4]
//                               [--max-sequences 64] [--json]
//
// Each of the clients sends one request after the other for so many seconds. Most are streams of completions; some are
// answers at once; every twentieth is malformed in one of many ways and must be refused with its status. What is left is
// looked at when everything has ended: running sequences, blocks, live tensors, open files, the server's heap, the engine's
// memory (against a first wave of the same load). Exit code 1 if anything is wrong.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { quantile, startServer, writeModel } from './serving-setup.mjs';

const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    'warm-up': { type: 'string' },
    'hang-up': { type: 'string', default: '0.1' },
    layers: { type: 'string', default: '3' },
    hidden: { type: 'string', default: '64' },
    ffn: { type: 'string', default: '172' },
    heads: { type: 'string', default: '4' },
    'max-sequences': { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
});
const streams = Number(options.streams);
const hangUp = Number(options['hang-up']);
const SLOW_READERS = 0.05;
const MALFORMED = 0.05;

let seed = 1;
/** Repeatable, so that two runs ask for the same. */
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const between = (least, most) => least + Math.floor(random() * (most - least + 1));
const ids = (count) => Array.from({ length: count }, () => between(10, 999));

const folder = await writeModel({
  layers: Number(options.layers),
  hidden: Number(options.hidden),
  ffn: Number(options.ffn),
  heads: Number(options.heads),
});
const queue = ['--max-queued-requests', String(2 * streams), '--kv-cache-tokens', '32768'];
const server = await startServer(['--model', folder, '--max-sequences', options['max-sequences'], ...queue]);
const target = new URL(server.url);
const agent = new http.Agent({ keepAlive: true, maxSockets: streams * 2 });

const counts = new Map();
const wrong = [];
const firstToken = [];
const betweenTokens = [];
let tokens = 0;

function note(what) {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
function blame(what) {
  note('WRONG');
  if (wrong.length < 20) wrong.push(what);
}

/** @returns {Promise<{ request: http.ClientRequest, response: http.IncomingMessage }>} */
function send(method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: target.hostname, port: target.port, method, path, agent, headers },
      (response) => resolve({ request, response }),
    );
    request.on('error', reject);
    request.end(body);
  });
}
const json = { 'content-type': 'application/json' };

async function textOf(response) {
  response.setEncoding('utf8');
  let text = '';
  for await (const part of response) text += part;
  return text;
}

/** A stream read to its end, or left, or read slowly. */
async function stream() {
  const maxTokens = between(8, 96);
  const body = {
    prompt: ids(between(4, 200)),
    max_tokens: maxTokens,
    ignore_eos: true,
    stream: true,
    seed: between(0, 9),
  };
  const leavesAfter = random() < hangUp ? between(0, maxTokens) : undefined;
  const isSlow = random() < SLOW_READERS;
  const start = performance.now();
  const { request, response } = await send('POST', '/v1/completions', JSON.stringify(body), json);
  if (response.statusCode === 429) {
    response.resume();
    if (response.headers['retry-after'] === undefined) blame('429 without Retry-After');
    note('429 queue full');
    await new Promise((resolve) => setTimeout(resolve, 200));
    return;
  }
  if (response.statusCode !== 200)
    return blame(`a stream got ${response.statusCode}: ${await textOf(response)}`);
  let last = 0;
  let events = 0;
  let rest = '';
  let isDone = false;
  response.setEncoding('utf8');
  for await (const part of response) {
    const now = performance.now();
    rest += part;
    const pieces = rest.split('\n\n');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (piece === 'data: [DONE]') isDone = true;
      else if (piece.startsWith('data: {"error"')) return blame(`a stream ended with ${piece}`);
      else if (piece.startsWith('data: ')) {
        if (events === 0) firstToken.push(now - start);
        else if (!isSlow) betweenTokens.push(now - last);
        last = now;
        events += 1;
      }
    }
    if (leavesAfter !== undefined && events >= leavesAfter) {
      request.destroy();
      note('hung up');
      return;
    }
    if (isSlow) await new Promise((resolve) => setTimeout(resolve, between(20, 100)));
  }
  if (!isDone) return blame(`a stream of ${events} events ended without [DONE]`);
  tokens += maxTokens;
  note(isSlow ? 'stream, slow reader' : 'stream');
}

async function answerAtOnce() {
  const body = {
    messages: [{ role: 'user', content: 'How far is the moon? 月亮有多远？' }],
    max_tokens: between(1, 32),
  };
  const { response } = await send('POST', '/v1/chat/completions', JSON.stringify(body), json);
  const text = await textOf(response);
  if (response.statusCode === 429) return note('429 queue full');
  if (response.statusCode !== 200)
    return blame(`an answer got ${response.statusCode}: ${text.slice(0, 200)}`);
  if (JSON.parse(text).choices[0].message.role !== 'assistant')
    return blame(`an answer without a message: ${text}`);
  note('answer');
}

const huge = Buffer.alloc(6 * 1024 * 1024, 0x20);
const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
/** @type {[string, number[], () => Promise<{ response: http.IncomingMessage }>][]} */
const malformed = [
  ['no JSON', [400], () => send('POST', '/v1/completions', '{"prompt": ', json)],
  ['deep JSON', [400], () => send('POST', '/v1/completions', deep, json)],
  ['wrong type', [400], () => send('POST', '/v1/completions', '{"prompt": {"a": 1}}', json)],
  ['out of range', [400], () => send('POST', '/v1/completions', '{"prompt": "a", "temperature": -1}', json)],
  ['unknown id', [400], () => send('POST', '/v1/completions', '{"prompt": [5000000]}', json)],
  ['too long', [400], () => send('POST', '/v1/completions', '{"prompt": "a", "max_tokens": 9999999}', json)],
  [
    'no schema',
    [400],
    () => send('POST', '/v1/completions', '{"prompt":"a","structured_outputs":{"regex":"("}}', json),
  ],
  ['unknown model', [404], () => send('POST', '/v1/completions', '{"prompt": "a", "model": "b"}', json)],
  ['unknown route', [404], () => send('GET', '/v1/nothing', undefined)],
  ['out of the root', [400, 404], () => send('GET', '/..%2f..%2fetc/passwd', undefined)],
  ['wrong method', [405], () => send('GET', '/v1/completions', undefined)],
  ['no JSON type', [415], () => send('POST', '/v1/completions', 'a=b', { 'content-type': 'text/plain' })],
  ['huge body', [413], () => send('POST', '/v1/completions', huge, json)],
  [
    'many headers',
    [400, 431],
    () =>
      send(
        'GET',
        '/health',
        undefined,
        Object.fromEntries(ids(900).map((id, at) => [`x-${at}`, `${id}`.repeat(20)])),
      ),
  ],
];

async function attack() {
  if (random() < 0.1) return await garbage();
  const [name, expected, ask] = malformed[between(0, malformed.length - 1)] ?? malformed[0];
  try {
    const { response } = await ask();
    response.resume();
    await new Promise((resolve) => response.once('close', resolve));
    if (expected.includes(response.statusCode)) note(`refused: ${name}`);
    else blame(`${name} got ${response.statusCode}`);
  } catch (error) {
    // The answer is sent and the connection cut while the body is still being written.
    if (name === 'huge body' && ['EPIPE', 'ECONNRESET'].includes(error.code)) note(`refused: ${name}`);
    else blame(`${name}: ${error.message}`);
  }
}

/** Bytes that are no HTTP, or a head that never ends. */
function garbage() {
  return new Promise((resolve) => {
    const socket = net.connect(Number(target.port), target.hostname, () => {
      socket.write(
        random() < 0.5
          ? '\u0016\u0003\u0001\u0002\u0000garbage\r\n\r\n'
          : 'POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-A: ',
      );
      setTimeout(() => socket.destroy(), between(5, 300));
    });
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      note('refused: garbage');
      resolve(undefined);
    });
  });
}

async function client(until) {
  while (performance.now() < until) {
    const draw = random();
    try {
      if (draw < MALFORMED) await attack();
      else if (draw < MALFORMED + 0.1) await answerAtOnce();
      else await stream();
    } catch (error) {
      blame(`a client failed: ${error.stack}`);
    }
  }
}

async function wave(seconds) {
  const until = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: streams }, () => client(until)));
}

async function metric(name) {
  const { response } = await send('GET', '/metrics');
  const value = new RegExp(`^${name}(?:\\{[^\\n]*\\})? (\\S+)$`, 'm').exec(await textOf(response))?.[1];
  return Number(value ?? Number.NaN);
}

/** @param {number} pid resident bytes and open files */
function belongings(pid) {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { megabytes: Math.round((pages * 4096) / 1e6), files: readdirSync(`/proc/${pid}/fd`).length };
}

async function rest() {
  agent.destroy();
  const deadline = performance.now() + 20_000;
  const isBusy = async () =>
    (await metric('vllm:num_requests_running')) + (await metric('vllm:num_requests_waiting')) > 0;
  while ((await isBusy()) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 100));
  agent.destroy();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const left = {
    running: await metric('vllm:num_requests_running'),
    waiting: await metric('vllm:num_requests_waiting'),
    cacheUsage: await metric('vllm:kv_cache_usage_perc'),
    liveTensors: await metric('xinghe:live_tensors'),
  };
  agent.destroy();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const heap = Math.round((await server.heap()) / 1e5) / 10;
  return { ...left, server: { ...belongings(server.pid), heap }, engine: belongings(server.enginePid) };
}

// Starts the thread of grammars, which stays.
const structured = { prompt: 'a', max_tokens: 4, structured_outputs: { choice: ['yes', 'no'] } };
await textOf((await send('POST', '/v1/completions', JSON.stringify(structured), json)).response);
// The first wave brings every cache and pool to the size that such a load needs.
const warmUp = Number(options['warm-up'] ?? Math.min(15, Math.max(2, Number(options.seconds) / 4)));
await wave(warmUp);
const before = await rest();
for (const list of [firstToken, betweenTokens]) list.length = 0;
counts.clear();
tokens = 0;
const start = performance.now();
await wave(Number(options.seconds));
const seconds = (performance.now() - start) / 1000;
const after = await rest();
const { code } = await server.stop();
rmSync(dirname(folder), { recursive: true, force: true });

if (code !== 0) wrong.push(`the server ended with ${code}`);
for (const name of ['running', 'waiting', 'cacheUsage'])
  if (after[name] !== 0) wrong.push(`${name} is ${after[name]} when all has ended`);
if (after.liveTensors !== before.liveTensors)
  wrong.push(`${after.liveTensors} live tensors, ${before.liveTensors} before`);
for (const who of ['server', 'engine']) {
  if (after[who].files > before[who].files + 2)
    wrong.push(`the ${who} has ${after[who].files} open files, ${before[who].files} before`);
}
// A server's garbage is its own affair until it is swept.
if (after.server.heap > before.server.heap + 8)
  wrong.push(`the server's heap has ${after.server.heap} MB, ${before.server.heap} before`);
// The allocator keeps what it has freed, up to a share of the peak; the cache is taken from the system as it is used.
if (after.engine.megabytes > before.engine.megabytes * 1.2 + 60)
  wrong.push(`the engine has ${after.engine.megabytes} MB, ${before.engine.megabytes} before`);

const round = (value) => Math.round(value * 10) / 10;
const times = (values) => ({
  p50: round(quantile(values, 0.5)),
  p99: round(quantile(values, 0.99)),
  longest: round(quantile(values, 1)),
});
const report = {
  streams,
  seconds: round(seconds),
  tokensPerSecond: Math.round(tokens / seconds),
  firstTokenMs: times(firstToken),
  betweenTokensMs: times(betweenTokens),
  counts: Object.fromEntries([...counts].sort()),
  before,
  after,
  wrong,
  machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}`,
};
process.stdout.write(`${options.json ? JSON.stringify(report) : JSON.stringify(report, null, 2)}\n`);
process.exitCode = wrong.length === 0 && !counts.has('WRONG') ? 0 : 1;
