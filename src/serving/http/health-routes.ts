/** Liveness and readiness of the server. */
import { z } from 'zod';
import type { EngineService } from '../engine-service.js';
import { HttpError } from './http-error.js';
import type { Reply, Route } from './route.js';

export interface HealthOptions {
  readonly engine: Pick<EngineService, 'state' | 'isResponsive'>;
  /** Of Xinghe, for /version. */
  readonly version: string;
}

const ok = z.object({ status: z.literal('ok') });

/**
 * `/health`, `/v1/health`, `/ping` and `/health/ready`: 200 when a request would be served now, else 503. `/health/live`:
 * 200 as long as this process answers, so that nobody restarts a server that is loading or draining.
 */
export function healthRoutes({ engine, version }: HealthOptions): Route[] {
  const ready = (reply: Reply): void => {
    checkReady(engine);
    reply.json(200, { status: 'ok' });
  };
  const route = (path: string, summary: string, answer: (reply: Reply) => void): Route => ({
    method: 'GET',
    path,
    access: 'open',
    body: 'none',
    docs: { summary, tag: 'Health', response: ok, errors: path === '/health/live' ? [] : [503] },
    handler: (_, reply) => answer(reply),
  });
  return [
    ...['/health', '/v1/health', '/ping', '/health/ready'].map((path) =>
      route(path, 'Whether a request would be served now', ready),
    ),
    route('/health/live', 'Whether the process answers', (reply) => reply.json(200, { status: 'ok' })),
    {
      method: 'GET',
      path: '/version',
      access: 'key',
      body: 'none',
      docs: { summary: 'The version of Xinghe', tag: 'Health', response: z.object({ version: z.string() }) },
      handler: (_, reply) => reply.json(200, { version }),
    },
  ];
}

/** In the form of llama.cpp's server, which clients know. */
function checkReady({ state, isResponsive }: HealthOptions['engine']): void {
  const unavailable = (message: string, retryAfter: number): HttpError =>
    new HttpError(503, { message, type: 'unavailable_error', retryAfter });
  switch (state.kind) {
    case 'ready':
      if (!isResponsive) throw unavailable('The engine has work and makes no steps.', 5);
      return;
    case 'loading':
      throw unavailable(`Loading model: ${state.detail}`, 5);
    case 'restarting':
      throw unavailable(`The engine is being started again: ${state.detail}`, 5);
    case 'failed':
      throw unavailable(`The engine has failed: ${state.detail}`, 60);
    default:
      throw new Error(`unknown state ${state satisfies never}`);
  }
}
