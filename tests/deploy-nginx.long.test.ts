/** deploy/nginx/xinghe.conf in a real nginx before a real `xinghe serve`: streams come as they are written. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployText } from './support/deploy-files.js';
import { requires } from './support/requires.js';
import { ServedProcess, until } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

const found = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);
const KEY = 'key-of-the-proxy-test';
/** What must not be: answers gathered and compressed. */
const KEEPING =
  'proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1';

describe(
  'xinghe serve behind the nginx of deploy/',
  requires(found !== undefined, 'nginx is not installed (apt-get install nginx-light)'),
  () => {
    const scratch = mkdtempSync(join(tmpdir(), 'xinghe-deploy-nginx-'));
    let server: ServedProcess;
    let nginx: ChildProcess;
    let url = '';

    /** @param isKeeping buffering and packing in the place of what the file says of both */
    const start = async (isKeeping: boolean): Promise<void> => {
      const port = await freePort();
      const site = deployText('nginx/xinghe.conf')
        .slice(deployText('nginx/xinghe.conf').indexOf('upstream'))
        // The second server only: the first redirects, and TLS needs a certificate and a newer nginx than some have.
        .replace(/server \{\n {4}listen 80;[\s\S]*?\n\}\n/, '')
        .replace('server server:8000', `server ${server.url.replace('http://', '')}`)
        .replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
        .replace(/^ +(?:http2|ssl_certificate).*$/gm, '')
        .replace('proxy_buffering off', isKeeping ? KEEPING : 'proxy_buffering off')
        .replace('gzip off;', isKeeping ? '' : 'gzip off;');
      const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${join(scratch, name)};`,
      );
      const user = process.getuid?.() === 0 ? 'user root;' : '';
      writeFileSync(
        join(scratch, 'nginx.conf'),
        `${user} daemon off; worker_processes 1; pid ${join(scratch, 'pid')}; error_log ${join(scratch, 'error.log')};\n` +
          `events {}\nhttp {\naccess_log off; ${folders.join(' ')}\n${site}\n}\n`,
      );
      nginx = spawn(found ?? 'nginx', ['-p', scratch, '-c', join(scratch, 'nginx.conf')], {
        stdio: 'inherit',
      });
      url = `http://127.0.0.1:${port}`;
      await until(
        () =>
          fetch(`${url}/health`).then(
            ({ ok }) => ok,
            () => false,
          ),
        'an nginx that answers',
      );
    };
    const stop = async (): Promise<void> => {
      const ended = new Promise((resolve) => nginx.once('close', resolve));
      nginx.kill('SIGTERM');
      await ended;
    };

    beforeAll(async () => {
      server = new ServedProcess(
        [
          '--model',
          await writeTinyModel(),
          '--port',
          '0',
          '--kv-cache-tokens',
          '4096',
          '--threads',
          '1',
          '--open-metrics',
        ],
        { XINGHE_API_KEY: KEY },
      );
      await server.ready();
    });
    afterAll(async () => {
      nginx.kill('SIGTERM');
      await server.end();
      rmSync(scratch, { recursive: true, force: true });
    });

    const ask = (body: Record<string, unknown>): Promise<Response> =>
      fetch(`${url}/v1/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${KEY}`,
          'accept-encoding': 'gzip',
        },
        body: JSON.stringify({ prompt: 'star', ...body }),
      });

    /** In how many pieces a stream of 600 tokens comes, and how far it had come in time at the first, 0 to 1. */
    const stream = async (): Promise<{ pieces: number; share: number }> => {
      const started = performance.now();
      const response = await ask({ max_tokens: 600, min_tokens: 600, stream: true });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      let first: number | undefined;
      let pieces = 0;
      let text = '';
      for await (const piece of response.body ?? []) {
        first ??= performance.now() - started;
        pieces += 1;
        text += Buffer.from(piece).toString('latin1');
      }
      expect(text.trimEnd()).toMatch(/data: \[DONE\]$/);
      return { pieces, share: (first ?? 0) / (performance.now() - started) };
    };

    let unbuffered = 0;

    test('events come as they are written, the first long before the last', async () => {
      await start(false);
      const { pieces, share } = await stream();
      unbuffered = pieces;
      expect(pieces).toBeGreaterThan(100);
      expect(share).toBeLessThan(0.3);
    });

    test('pages, bodies up to the limit, errors and the key pass; metrics do not', async () => {
      expect((await fetch(`${url}/`)).status).toBe(200);
      expect((await fetch(`${url}/v1/models`)).status).toBe(401);
      // 3 MB arrive, and are refused by the server for their length in tokens.
      const long = await ask({ prompt: 'x'.repeat(3_000_000) });
      expect([long.status, await long.text()]).toEqual([400, expect.stringContaining('context length')]);
      expect((await fetch(`${url}/metrics`)).status).toBe(404);
      expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
    });

    test('who goes away in the middle ends the work of the engine', async () => {
      const response = await ask({ max_tokens: 3000, min_tokens: 3000, stream: true });
      for await (const _ of response.body ?? []) break;
      await until(async () => (await server.metric('vllm:num_requests_running')) === 0, 'an idle engine');
      await stop();
    });

    test('an nginx that gathers and compresses keeps events back: this test would notice', async () => {
      await start(true);
      expect((await stream()).pieces).toBeLessThan(unbuffered / 3);
      await stop();
    });
  },
);

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
