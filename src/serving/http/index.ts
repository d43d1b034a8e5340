export type { WorkFacts } from './access-log.js';
export { ApiKeys, type ApiKeyTexts, readKeyFile } from './api-keys.js';
export { isLoopbackName } from './browser-guard.js';
export { createHttpServer, createRequestHandler, HttpService } from './create-http-server.js';
export { type HealthOptions, healthRoutes } from './health-routes.js';
export {
  badRequest,
  ClientGoneError,
  type ErrorEnvelope,
  HttpError,
  type HttpErrorDetails,
  toHttpError,
} from './http-error.js';
export type { HttpObserver, HttpRequestRecord, HttpServerOptions } from './http-options.js';
export { inKeyOrder } from './json-body.js';
export { JsonMeter } from './json-shape.js';
export { type OpenApiInfo, openApiDocument, withOpenApi } from './openapi.js';
export type { RequestHandler } from './request-handler.js';
export type {
  Access,
  EventStream,
  EventStreamOptions,
  Method,
  Reply,
  ReplyHeaders,
  Route,
  RouteDocs,
  RouteRequest,
  TextStream,
} from './route.js';
export { staticRoutes } from './static-routes.js';
