/**
 * No body of 4 MB, of whatever form and on whatever route, keeps others waiting: while it is read, checked and tokenized,
 * /health/live goes on answering. Every body with XINGHE_TEST_LONG, a part of them otherwise.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LargeBody, largeBodies } from './support/large-bodies.js';
import { isLongSuite } from './support/long-suite.js';
import { type Operation, readOperations } from './support/openapi-walk.js';
import { ServedProcess } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

const isLong = isLongSuite;
/** Milliseconds that a health check may take. */
const LIMIT = 50;
/** Other programs of the machine delay it too; a body has so many tries to show that it does not. */
const TRIES = isLong ? 6 : 5;

let server: ServedProcess;
let model: string;
let operations: Operation[];
beforeAll(async () => {
  model = await writeTinyModel('tiny', { max_position_embeddings: 8192 });
  server = new ServedProcess([
    ...[
      '--model',
      model,
      '--port',
      '0',
      '--quiet',
      '--kv-cache-tokens',
      '16384',
      '--max-queued-tokens',
      '9000',
    ],
  ]);
  await server.ready();
  operations = readOperations(await (await fetch(`${server.url}/openapi.json`)).json());
});
afterAll(async () => {
  await server.end();
  rmSync(dirname(model), { recursive: true, force: true });
});

/** Milliseconds that a process's main thread was ready to run and other programs had the core: no fault of ours. */
function waitOf(pid: number): number {
  const path = `/proc/${pid}/task/${pid}/schedstat`;
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split(' ')[1]) / 1e6 : 0;
}

/** Milliseconds of the slowest health check while the body is under way. */
async function delayOf(path: string, body: Buffer): Promise<{ delay: number; status: number }> {
  let isOver = false;
  const controller = new AbortController();
  const answer = fetch(`${server.url}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
    signal: controller.signal,
  })
    .then(async (response) => {
      await response.arrayBuffer();
      return response.status;
    })
    // A long text is tokenized on another thread for seconds; what it does here is seen by then.
    .catch(() => 499)
    .finally(() => {
      isOver = true;
    });
  const timer = setTimeout(() => controller.abort(), 1500);
  let delay = 0;
  while (!isOver) {
    const waited = waitOf(server.pid) + waitOf(process.pid);
    const asked = performance.now();
    await (await fetch(`${server.url}/health/live`)).arrayBuffer();
    const whole = performance.now() - asked;
    delay = Math.max(delay, whole - (waitOf(server.pid) + waitOf(process.pid) - waited));
    await sleep(2);
  }
  clearTimeout(timer);
  return { delay, status: await answer };
}

function chosen(bodies: Iterable<LargeBody>, route: number): LargeBody[] {
  const all = [...bodies];
  if (isLong) return all;
  // Another part of the forms on each route, and always those that once took seconds.
  const known =
    /^(logit_bias: (number|wrong) keys|prompt: (mixed items|words|ids)|messages \(1\): (wrong parts|words)|tokens: half)/;
  return all.filter(({ name }, index) => known.test(name) || (index + route) % 123 === 0);
}

test('health checks go on while bodies of 4 MB are worked on', async () => {
  const slow: string[] = [];
  let count = 0;
  for (const [route, { path, fields, example, wantsAdmin }] of operations.entries()) {
    if (example === undefined || wantsAdmin) continue;
    for (const { name, json } of chosen(largeBodies(fields, example), route)) {
      const body = Buffer.from(json());
      count += 1;
      let best = Number.POSITIVE_INFINITY;
      let status = 0;
      for (let attempt = 0; attempt < TRIES && best > LIMIT; attempt++) {
        const outcome = await delayOf(path, body);
        best = Math.min(best, outcome.delay);
        status = outcome.status;
      }
      if (process.env.XINGHE_SHOW === '1') console.log(`${path} ${name}: ${best.toFixed(0)} ms, ${status}`);
      if (best > LIMIT) slow.push(`${path} ${name}: ${best.toFixed(0)} ms`);
      expect(status, `${path} ${name}`).toBeLessThan(500);
    }
  }
  expect(slow).toEqual([]);
  expect(count).toBeGreaterThan(isLong ? 60 : 10);
}, 3_600_000);
