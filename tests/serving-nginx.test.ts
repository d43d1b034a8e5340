/** The server behind a real nginx: with its default Host, below a path, with streams and large bodies. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpServer, type HttpService, staticRoutes } from '../src/serving/http/index.js';
import { openAiRoutes } from '../src/serving/openai/index.js';
import { FakeEngine } from './support/fake-engine.js';
import { sparkLikeModel } from './support/openai-server.js';
import { requires } from './support/requires.js';
import { until } from './support/served-process.js';

const found = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);

describe(
  'behind nginx',
  requires(found !== undefined, 'nginx is not installed (apt-get install nginx-light)'),
  () => {
    const scratch = mkdtempSync(join(tmpdir(), 'xinghe-nginx-'));
    const log: string[] = [];
    let server: HttpService;
    let nginx: ChildProcess;
    let port = 0;

    beforeAll(async () => {
      writeFileSync(
        join(scratch, 'index.html'),
        '<!doctype html><script type="module" src="./a.js"></script>',
      );
      writeFileSync(join(scratch, 'a.js'), 'export {};');
      const routes = openAiRoutes({ model: sparkLikeModel(), engine: new FakeEngine({ tokenDelay: 150 }) });
      server = createHttpServer([...routes, ...staticRoutes(scratch)], {
        port: 0,
        allowedOrigins: ['https://chat.example.org'],
        allowedHosts: ['chat.example.org'],
        trustedProxies: ['127.0.0.1'],
        accessLog: (line) => log.push(line),
      });
      await server.listen();
      port = server.address.port + 1;
      const logs = [
        'access_log off;',
        `error_log ${join(scratch, 'error.log')};`,
        `pid ${join(scratch, 'pid')};`,
      ];
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${join(scratch, name)};`,
      );
      const forwarded = 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;';
      writeFileSync(
        join(scratch, 'nginx.conf'),
        `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; ${logs.slice(1).join(' ')}
events {}
http {
  ${logs[0]} ${temporary.join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${server.address.port}; ${forwarded} }
    location /llm/ {
      proxy_pass http://127.0.0.1:${server.address.port}/;
      proxy_set_header Host $host;
      ${forwarded}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      client_max_body_size 4m;
    }
  }
}
`,
      );
      nginx = spawn(found ?? 'nginx', ['-p', scratch, '-c', join(scratch, 'nginx.conf')], {
        stdio: 'ignore',
      });
      await until(
        async () =>
          await fetch(`http://127.0.0.1:${port}/`).then(
            () => true,
            () => false,
          ),
        'an nginx that answers',
      );
    });
    afterAll(async () => {
      nginx.kill('SIGTERM');
      await server.close();
      rmSync(scratch, { recursive: true, force: true });
    });

    const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
    const ask = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(url(path), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    const question = { messages: [{ role: 'user', content: 'hi' }] };

    test.each(['/', '/llm/'])('the page and its script come, whoever asks: %s', async (base) => {
      for (const name of ['', 'a.js'])
        for (const origin of ['https://chat.example.org', 'http://elsewhere.example'])
          expect((await fetch(url(`${base}${name}`), { headers: { origin } })).status).toBe(200);
    });

    test('its questions too, where the origin is allowed; others get a message that says what to do', async () => {
      const origin = 'https://chat.example.org';
      expect((await ask('/v1/chat/completions', question, { origin })).status).toBe(200);
      const refused = await ask('/v1/chat/completions', question, { origin: 'https://other.example' });
      expect(refused.status).toBe(403);
      expect(await refused.text()).toContain('--allow-origin');
    });

    test('a stream comes in pieces, below a path', async () => {
      const response = await ask('/llm/v1/chat/completions', { ...question, stream: true });
      const times: number[] = [];
      for await (const _ of response.body ?? []) times.push(performance.now());
      expect(times.length).toBeGreaterThan(3);
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(300);
    });

    test('a body of 3 MB arrives', async () => {
      const long = { prompt: 'x'.repeat(3_000_000) };
      expect((await ask('/llm/v1/completions', long)).status).toBe(400);
      expect((await ask('/v1/completions', long)).status).toBe(413);
    });

    test('the log says who asked', async () => {
      log.length = 0;
      await fetch(url('/v1/models'), { headers: { 'x-forwarded-for': '203.0.113.9' } });
      await until(() => log.length > 0, 'a line');
      // 127.0.0.1 is what nginx saw; it is trusted, so the one before counts.
      expect(JSON.parse(log[0] ?? '')).toMatchObject({ remote: '203.0.113.9', path: '/v1/models' });
    });
  },
);
