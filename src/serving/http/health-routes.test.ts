import { afterEach, expect, it } from 'vitest';
import { FakeEngine } from '../../../tests/support/fake-engine.js';
import type { EngineState } from '../engine-service.js';
import { ApiKeys } from './api-keys.js';
import { createHttpServer, type HttpService } from './create-http-server.js';
import { healthRoutes } from './health-routes.js';

let service: HttpService | undefined;
afterEach(async () => service?.close());

async function start(engine: FakeEngine): Promise<string> {
  service = createHttpServer(healthRoutes({ engine, version: '1.2.3' }), {
    port: 0,
    accessLog: null,
    keys: new ApiKeys({ keys: ['ordinary-1'] }),
  });
  await service.listen();
  return service.url;
}

const paths = ['/health', '/v1/health', '/ping', '/health/ready'];

it('says ok without a key', async () => {
  const url = await start(new FakeEngine());
  for (const path of [...paths, '/health/live'])
    expect([path, await (await fetch(`${url}${path}`)).json()]).toEqual([path, { status: 'ok' }]);
});

it.each([
  [{ kind: 'loading', detail: '3 of 8 files' }, /Loading model: 3 of 8 files/],
  [{ kind: 'restarting', detail: 'killed' }, /started again: killed/],
  [{ kind: 'failed', detail: 'no memory' }, /has failed: no memory/],
  ['stalled', /makes no steps/],
] as const)('%j: 503, but alive', async (state: EngineState | 'stalled', message) => {
  const engine = new FakeEngine();
  if (state === 'stalled') engine.isResponsive = false;
  else engine.state = state;
  const url = await start(engine);
  for (const path of paths) {
    const response = await fetch(`${url}${path}`);
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await response.json()).toEqual({
      error: { message: expect.stringMatching(message), type: 'unavailable_error', param: null, code: 503 },
    });
  }
  expect((await fetch(`${url}/health/live`)).status).toBe(200);
});

it('the version wants a key', async () => {
  const url = await start(new FakeEngine());
  expect((await fetch(`${url}/version`)).status).toBe(401);
  const response = await fetch(`${url}/version`, { headers: { authorization: 'Bearer ordinary-1' } });
  expect(await response.json()).toEqual({ version: '1.2.3' });
});
