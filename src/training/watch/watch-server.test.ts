import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { evaluationRecord, stepRecord } from '../../../tests/support/run-records.js';
import { OBJECTIVE_METRICS } from './objective-metrics.js';
import { HISTORY_COLUMNS, RunHistory } from './run-history.js';
import { type WatchServer, watchServer } from './watch-server.js';

const open: WatchServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(host?: string): Promise<WatchServer> {
  const server = await watchServer({ port: 0, label: 'a run', ...(host !== undefined && { host }) });
  open.push(server);
  return server;
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

/** With the path as it is: fetch would tidy it. */
function get(server: WatchServer, path: string, { method = 'GET', host = '' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const headers = host === '' ? {} : { host };
    httpRequest({ hostname: hostname.replace(/[[\]]/g, ''), port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode, type: response.headers['content-type'], text }),
      );
    })
      .on('error', reject)
      .end();
  });
}

/** The events that come until `enough` says so. */
async function readEvents(
  server: WatchServer,
  path: string,
  enough: (text: string) => boolean,
  lastEventId?: string,
): Promise<string> {
  const abort = new AbortController();
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const response = await fetch(new URL(path, server.url), { headers, signal: abort.signal });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (reader !== undefined && !enough(text)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  abort.abort();
  return text;
}

const stepsIn = (text: string): number[] =>
  [...text.matchAll(/"step":(\d+),"loss"/g)].map(([, step]) => Number(step));

describe('watchServer', () => {
  it('serves page, health, data and Prometheus', async () => {
    const server = await start();
    server.step(stepRecord(1));
    server.step(stepRecord(2, { loss: Number.NaN }));
    server.evaluation?.(evaluationRecord(2));
    server.sample?.({ step: 2, prompt: '你好', text: '</script>' });
    expect(JSON.parse((await get(server, '/health')).text)).toEqual({ status: 'ok' });
    expect(await get(server, '/')).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
    expect((await get(server, '/client/main.js')).type).toBe('text/javascript; charset=utf-8');
    const metrics = await get(server, '/metrics');
    expect(metrics.type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(metrics.text).toContain('xinghe_training_step 2\n');
    const data = JSON.parse((await get(server, '/api/steps')).text);
    expect(data.columns.step).toEqual([1, 2]);
    expect(data.columns.loss).toEqual([8, null]);
    expect(data.phases.forward).toEqual([0.5, 0.5]);
    expect(data.run).toMatchObject({ label: 'a run', total_steps: 100, ended: false });
    expect(data.evaluations).toHaveLength(1);
    expect(data.samples).toEqual([{ step: 2, prompt: '你好', text: '</script>' }]);
    expect(JSON.parse((await get(server, '/api/steps?from=1')).text).columns.step).toEqual([2]);
  });

  it('sends each step once: after the data was read, and to one that comes back', async () => {
    const server = await start();
    server.step(stepRecord(1));
    await new Promise((resolve) => setTimeout(resolve, 200)); // The event of step 1 is out.
    const { cursor } = JSON.parse((await get(server, '/api/steps')).text);
    server.step(stepRecord(2));
    const first = await readEvents(server, `/api/events?after=${cursor}`, (text) => stepsIn(text).length > 0);
    expect(stepsIn(first)).toEqual([2]);
    const [, id = ''] = /id: (\S+)/.exec(first) ?? [];
    server.step(stepRecord(3));
    server.step(stepRecord(4));
    const second = await readEvents(server, '/api/events', (text) => stepsIn(text).length > 1, id);
    expect(stepsIn(second)).toEqual([3, 4]);
    // The id of another server, or of long ago: read everything anew.
    expect(await readEvents(server, '/api/events', (text) => text.includes('event: '), 'abc-7')).toContain(
      'event: reset',
    );
  });

  it('answers while the thread that trains is busy', async () => {
    const server = await start();
    server.step(stepRecord(7));
    // This thread waits for the other process, and so does not answer itself.
    const script = `fetch('${server.url}metrics').then((answer) => answer.text()).then(console.log)`;
    const text = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 20_000 });
    expect(text).toContain('xinghe_training_step 7\n');
  });

  it('refuses other methods, other names of the host, and paths that lead elsewhere', async () => {
    const server = await start();
    expect((await get(server, '/', { method: 'POST' })).status).toBe(405);
    expect((await get(server, '/', { host: 'evil.example:80' })).status).toBe(403);
    expect((await get(server, '/', { host: 'localhost:1' })).status).toBe(200);
    for (const path of [
      '/../package.json',
      '/client/../../html.js',
      '/%2e%2e/x',
      '//etc/passwd',
      '/client/',
      '/x',
    ])
      expect((await get(server, path)).status, path).toBe(404);
    for (const path of ['/api/steps?from=-1', '/api/steps?points=1e9', '/api/steps?from=x'])
      expect((await get(server, path)).status, path).toBe(400);
  });

  it('says so when the port is taken, or the address is not of this machine', async () => {
    const server = await start();
    const port = Number(new URL(server.url).port);
    await expect(watchServer({ port })).rejects.toThrow(
      `http://127.0.0.1:${port}/: the port is in use; give --watch another one, or 0 for a free one.`,
    );
    await expect(watchServer({ port: 0, host: '192.0.2.1' })).rejects.toThrow(
      /this machine has no such address/,
    );
  });

  it('takes a bounded number of watchers', async () => {
    const server = await start();
    const abort = new AbortController();
    const responses = await Promise.all(
      Array.from({ length: 33 }, () => fetch(new URL('/api/events', server.url), { signal: abort.signal })),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(32);
    expect(responses.filter(({ status }) => status === 503)).toHaveLength(1);
    abort.abort();
  });

  it('tells its readers that the run has ended, and lets go of the port', async () => {
    const server = await start();
    const events = readEvents(server, '/api/events', (text) => text.includes('"ended":true'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.close();
    expect(await events).toContain('"ended":true');
    await expect(get(server, '/health')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('RunHistory', () => {
  it('gives as few points as are asked for, with means and extremes', () => {
    const history = new RunHistory();
    for (let step = 1; step <= 1000; step++)
      history.append(stepRecord(step, { loss: step % 10 === 0 ? Number.NaN : step }));
    const { columns } = history.points(0, 100);
    expect(columns.step).toHaveLength(100);
    expect(columns.step[0]).toBe(10);
    expect(columns.loss[0]).toBe(5);
    expect([columns.loss_low[0], columns.loss_high[0]]).toEqual([1, 9]);
    expect(history.points(995, 100).columns.step).toEqual([996, 997, 998, 999, 1000]);
  });

  it('gives every column that it keeps, each its own values', () => {
    const history = new RunHistory();
    const metrics = Object.fromEntries(OBJECTIVE_METRICS.map((name, index) => [name, 100 + index]));
    history.append(stepRecord(1, { metrics }));
    const { columns } = history.points(0, 10);
    expect(Object.keys(columns).sort()).toEqual([...HISTORY_COLUMNS, 'loss_low', 'loss_high'].sort());
    for (const [index, name] of OBJECTIVE_METRICS.entries())
      if (name in columns)
        expect(Object.entries(columns).find(([own]) => own === name)?.[1], name).toEqual([100 + index]);
  });

  it('keeps what the page asks for', () => {
    const page = readFileSync(new URL('./page/client/run-data.ts', import.meta.url), 'utf8');
    const asked = /COLUMNS = \[([^\]]*)\]/.exec(page)?.[1]?.match(/[\w/]+/g);
    expect(asked).toEqual([...HISTORY_COLUMNS]);
  });

  it('forgets what a run that went back does again', () => {
    const history = new RunHistory();
    for (const step of [1, 2, 3, 4, 3]) history.append(stepRecord(step));
    expect(history.points(0, 100).columns.step).toEqual([1, 2, 3]);
  });

  it('keeps bounded memory, and 100 000 steps are drawn within a moment', () => {
    const history = new RunHistory();
    for (let step = 1; step <= 250_000; step++) history.append(stepRecord(step));
    expect(history.length).toBeLessThanOrEqual(200_000);
    const { columns } = history.points(0, 1500);
    expect(columns.step.length).toBeLessThanOrEqual(1500);
    expect(columns.step.at(-1)).toBe(250_000);
  });
});
