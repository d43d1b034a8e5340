import { expect, it } from 'vitest';
import { z } from 'zod';
import { createHttpServer } from './create-http-server.js';
import { withOpenApi } from './openapi.js';
import type { Route } from './route.js';

const none: Pick<Route, 'handler'> = { handler: (_, reply) => reply.json(200, {}) };
const routes: Route[] = [
  {
    ...none,
    method: 'GET',
    path: '/models/*id',
    access: 'key',
    body: 'none',
    docs: { summary: 'One', tag: 'Models' },
  },
  {
    ...none,
    method: 'POST',
    path: '/models/:id/load',
    access: 'admin',
    body: 'json',
    docs: {
      summary: 'Load',
      tag: 'Models',
      request: z.object({ path: z.string().min(1), rank: z.nullish(z.int()).transform((x) => x ?? 8) }),
      response: z.object({ ok: z.boolean() }),
      isStream: true,
    },
  },
  { ...none, method: 'GET', path: '/', access: 'open', body: 'none' },
];

it('describes every route that has something to say', async () => {
  const service = createHttpServer(withOpenApi(routes, { version: '1.2.3', hasKeys: true }), {
    port: 0,
    accessLog: null,
  });
  await service.listen();
  const document: unknown = await (await fetch(`${service.url}/openapi.json`)).json();
  await service.close();
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { version: '1.2.3' },
    paths: {
      '/models/{id}': {
        get: {
          operationId: 'getModelsId',
          security: [{ key: [] }],
          parameters: [{ name: 'id', in: 'path', required: true }, { in: 'header' }],
          responses: {
            200: { content: { 'application/json': {} } },
            401: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
          },
        },
      },
      '/models/{id}/load': {
        post: {
          security: [{ adminKey: [] }],
          requestBody: {
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  required: ['path'],
                  properties: {
                    path: { type: 'string', minLength: 1 },
                    rank: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
                  },
                },
              },
            },
          },
          responses: { 200: { content: { 'text/event-stream': {} } }, 413: {}, 429: { headers: {} } },
        },
      },
      '/openapi.json': { get: {} },
    },
    components: { schemas: { Error: { type: 'object' } } },
  });
  expect(document).not.toHaveProperty(['paths', '/']);
});
