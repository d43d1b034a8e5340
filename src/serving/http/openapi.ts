/** GET /openapi.json: the routes as OpenAPI 3.1, made from what they say of themselves and from their zod schemas. */
import { z } from 'zod';
import type { Route, RouteDocs } from './route.js';

export interface OpenApiInfo {
  /** Of Xinghe. */
  readonly version: string;
  /** Whether ordinary routes want a key. */
  readonly hasKeys: boolean;
}

/** JSON as the document holds it. */
type Json = Readonly<Record<string, unknown>>;

const errorSchema = z.object({
  error: z.object({
    message: z.string().describe('What is wrong, where, and the way out.'),
    type: z.string(),
    param: z.string().nullable().describe('The field that is wrong, e.g. messages.0.content.'),
    code: z.union([z.string(), z.number()]),
  }),
});

const statusTexts: Readonly<Record<number, string>> = {
  400: 'The request is wrong: no HTTP, no JSON, a field missing, of a wrong type or out of range, a prompt too long.',
  401: 'The API key is missing or unknown.',
  403: 'An admin key is needed, or the Host or Origin is not allowed.',
  404: 'There is no such route or model.',
  408: 'The body did not arrive in time.',
  413: 'The body is larger than 4 MiB.',
  415: 'The body is no JSON in UTF-8.',
  422: 'The chat template failed on these messages.',
  429: 'Too much is waiting, or under way for this key. See Retry-After.',
  431: 'Too many headers, or too large ones.',
  500: 'A fault of the server; its log says more.',
  503: 'Loading, restarting or shutting down. See Retry-After.',
};

/** The routes, and one more that describes them all. Routes without docs (the files of the page) are left out. */
export function withOpenApi(routes: readonly Route[], info: OpenApiInfo): Route[] {
  let text: string | undefined;
  const self: Route = {
    method: 'GET',
    path: '/openapi.json',
    access: 'key',
    body: 'none',
    docs: { summary: 'This document', tag: 'Operation' },
    handler: (_, reply) => {
      text ??= JSON.stringify(openApiDocument(all, info));
      reply.text(200, text, { 'content-type': 'application/json; charset=utf-8' });
    },
  };
  const all = [...routes, self];
  return all;
}

export function openApiDocument(routes: readonly Route[], { version, hasKeys }: OpenApiInfo): Json {
  const paths: Record<string, Record<string, Json>> = {};
  const tags = new Set<string>();
  for (const route of routes) {
    if (route.docs === undefined) continue;
    const path = route.path.replace(/\/[:*](\w+)/g, '/{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, route.docs, hasKeys) };
    tags.add(route.docs.tag);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Xinghe 星河',
      version,
      description:
        'An OpenAI-compatible server. Unknown fields are accepted and have no effect; null is the same as absent.',
    },
    tags: [...tags].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: jsonSchema(errorSchema, 'output') },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key of this server.' },
        adminKey: { type: 'http', scheme: 'bearer', description: 'An admin key of this server.' },
      },
    },
  };
}

function operation(route: Route, docs: RouteDocs, hasKeys: boolean): Json {
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase())}`,
    summary: docs.summary,
    ...(docs.description === undefined ? {} : { description: docs.description }),
    tags: [docs.tag],
    security: securityOf(route, hasKeys),
    parameters: parametersOf(route, docs),
    ...(route.body === 'json' ? { requestBody: requestBody(docs) } : {}),
    responses: {
      200: { description: 'The answer.', headers: requestIdHeader, content: answerContent(docs) },
      ...Object.fromEntries(
        errorStatuses(route, docs).map((status) => [status, errorResponse(status, docs)]),
      ),
    },
  };
}

const requestIdHeader = {
  'X-Request-Id': {
    description: "The request's own, or one that was given to it.",
    schema: { type: 'string' },
  },
};

/** An empty object stands for no key at all. */
function securityOf({ access }: Route, hasKeys: boolean): readonly Json[] {
  switch (access) {
    case 'open':
      return [];
    case 'key':
      return hasKeys ? [{ key: [] }] : [{}, { key: [] }];
    case 'admin':
      return [{ adminKey: [] }];
    default:
      return access satisfies never;
  }
}

function parametersOf({ path }: Route, { query = {} }: RouteDocs): readonly Json[] {
  const names = [...path.matchAll(/\/([:*])(\w+)/g)].map(([, kind, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(kind === '*' ? { description: 'May have slashes, as they are or as %2F.' } : {}),
  }));
  const queries = Object.entries(query).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }));
  const requestId = { name: 'X-Request-Id', in: 'header', schema: { type: 'string', maxLength: 128 } };
  return [...names, ...queries, requestId];
}

function requestBody({ request, example }: RouteDocs): Json {
  return {
    required: true,
    content: {
      'application/json': {
        schema: request === undefined ? {} : jsonSchema(request, 'input'),
        ...(example === undefined ? {} : { example }),
      },
    },
  };
}

function answerContent({ response, contentType, isStream }: RouteDocs): Json {
  const json = {
    'application/json': { schema: response === undefined ? {} : jsonSchema(response, 'output') },
  };
  const text = { schema: { type: 'string' } };
  return {
    ...(contentType === undefined || response !== undefined ? json : {}),
    ...(contentType === undefined ? {} : { [contentType]: text }),
    ...(isStream === true ? { 'text/event-stream': text } : {}),
  };
}

function errorStatuses({ access, body }: Route, { errors = [] }: RouteDocs): number[] {
  const statuses = new Set([400, 403, 431, 500, 503, ...errors]);
  if (access !== 'open') statuses.add(401);
  if (body === 'json') for (const status of [408, 413, 415, 429]) statuses.add(status);
  return [...statuses].sort((a, b) => a - b);
}

function errorResponse(status: number, { error }: RouteDocs): Json {
  const schema = error === undefined ? { $ref: '#/components/schemas/Error' } : jsonSchema(error, 'output');
  const hasRetryAfter = status === 429 || status === 503;
  return {
    description: statusTexts[status] ?? 'An error.',
    ...(hasRetryAfter
      ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } }
      : {}),
    content: { 'application/json': { schema } },
  };
}

/** What zod cannot say in JSON Schema (a check in code) is left out; the server still checks it. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
  });
  return rest;
}
