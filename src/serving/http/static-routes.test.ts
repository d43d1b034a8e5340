import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAnswer, sendRaw } from '../../../tests/support/http-client.js';
import { ApiKeys } from './api-keys.js';
import { createHttpServer, type HttpService } from './create-http-server.js';
import { staticRoutes } from './static-routes.js';

const script = `console.log(${JSON.stringify('星河 '.repeat(1000))});`;
let root = '';
let service: HttpService;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'xinghe-static-'));
  mkdirSync(join(root, 'web/assets'), { recursive: true });
  writeFileSync(join(root, 'secret.txt'), 'secret');
  writeFileSync(join(root, 'web/.hidden'), 'secret');
  writeFileSync(
    join(root, 'web/index.html'),
    '<!doctype html><script src="/assets/main-a1b2c3d4.js"></script>',
  );
  writeFileSync(join(root, 'web/assets/main-a1b2c3d4.js'), script);
  writeFileSync(join(root, 'web/icon.png'), Buffer.alloc(5000));
  service = createHttpServer(staticRoutes(join(root, 'web')), {
    port: 0,
    accessLog: null,
    keys: new ApiKeys({ keys: ['ordinary-1'] }),
  });
  await service.listen();
});

afterAll(async () => {
  await service.close();
  rmSync(root, { recursive: true });
});

describe('static files', () => {
  it('the page is open, checked again each time, and may load nothing but our own files', async () => {
    const response = await fetch(`${service.url}/`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/script-src[^;]*unsafe|https?:|\*/);
    expect(await (await fetch(`${service.url}/index.html`)).text()).toBe(await response.text());
  });

  it('hashed names are kept for ever, texts come compressed to whom takes that', async () => {
    const url = `${service.url}/assets/main-a1b2c3d4.js`;
    const zipped = await fetch(url);
    expect(zipped.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    expect(zipped.headers.get('vary')).toBe('Accept-Encoding');
    expect(Number(zipped.headers.get('content-length'))).toBeLessThan(script.length / 10);
    expect(await zipped.text()).toBe(script);
    const plain = await fetch(url, { headers: { 'accept-encoding': 'br, gzip;q=0' } });
    expect(plain.headers.get('content-encoding')).toBe(null);
    expect(await plain.text()).toBe(script);
    expect(plain.headers.get('etag')).not.toBe(zipped.headers.get('etag'));
  });

  it('says 304 to whom has it', async () => {
    const url = `${service.url}/icon.png`;
    const etag = (await fetch(url)).headers.get('etag') ?? '';
    const again = await fetch(url, { headers: { 'if-none-match': `"other", W/${etag}` } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });

  it('HEAD, and 405 for other methods', async () => {
    const head = await fetch(`${service.url}/icon.png`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5000']);
    expect((await fetch(`${service.url}/icon.png`, { method: 'POST' })).status).toBe(405);
  });

  it.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/../../secret.txt',
    '/assets/..%5c..%5csecret.txt',
    '//secret.txt',
    '/.hidden',
    '/%00',
    '/index.html%00.png',
    '/assets',
    '/assets/',
    '/%',
    '/file:///etc/passwd',
    'http://other/../secret.txt',
  ])('%s is no file', async (target) => {
    const text = await sendRaw(
      service.address.port,
      `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ordinary-1\r\nConnection: close\r\n\r\n`,
    );
    expect([400, 404]).toContain(parseAnswer(text).status);
    expect(text).not.toContain('secret\n');
    expect(JSON.parse(parseAnswer(text).body)).toHaveProperty('error.message');
  });

  it('without a build, the page says how to make one', async () => {
    const bare = createHttpServer(staticRoutes(join(root, 'absent')), { port: 0, accessLog: null });
    await bare.listen();
    const response = await fetch(bare.url);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('npm run build');
    await bare.close();
  });
});
