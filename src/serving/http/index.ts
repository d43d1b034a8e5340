export {
  badRequest,
  ClientGoneError,
  type ErrorEnvelope,
  HttpError,
  type HttpErrorDetails,
  toHttpError,
} from './http-error.js';
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
} from './route.js';
