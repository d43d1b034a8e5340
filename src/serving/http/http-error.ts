/** Failures with an HTTP status, and the status of everything else that can be thrown behind a route. */
import { InputError } from '../../errors/index.js';
import { EngineUnavailableError, QueueFullError } from '../engine-service.js';

export interface HttpErrorDetails {
  /** Shown to the client; names the field, the value and the way out. */
  readonly message: string;
  /** Default: the type that vLLM gives for the status. */
  readonly type?: string | undefined;
  /** The body field (or header) that is wrong, e.g. `messages.0.content`. */
  readonly param?: string | undefined;
  /** A word for programs, e.g. `context_length_exceeded`. Default: the status. */
  readonly code?: string | number | undefined;
  /** Seconds; becomes the header Retry-After. */
  readonly retryAfter?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** OpenAI's form of an error, as vLLM fills it. */
export interface ErrorEnvelope {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | number;
  };
}

export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly type: string;
  readonly param: string | undefined;
  readonly code: string | number;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, { message, type, param, code, retryAfter, headers = {} }: HttpErrorDetails) {
    super(message);
    this.status = status;
    this.type = type ?? typeOfStatus(status);
    this.param = param;
    this.code = code ?? status;
    this.retryAfter = retryAfter;
    this.headers = headers;
  }

  get envelope(): ErrorEnvelope {
    return {
      error: { message: this.message, type: this.type, param: this.param ?? null, code: this.code },
    };
  }
}

/** 400 with the field that is wrong. */
export function badRequest(message: string, param?: string, code?: string): HttpError {
  return new HttpError(400, { message, param, code });
}

/** The client is gone: nothing can be answered; logged as status 499. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor() {
    super('the client is gone');
  }
}

/**
 * What the client is told of anything that was thrown. A fault of ours is a 500 whose message says nothing of our
 * insides; the log holds the stack.
 */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof InputError) return badRequest(error.message);
  if (error instanceof QueueFullError)
    return new HttpError(429, { message: error.message, retryAfter: error.retryAfter });
  if (error instanceof EngineUnavailableError)
    return new HttpError(503, { message: error.message, retryAfter: error.retryAfter });
  return new HttpError(500, { message: 'The server failed on this request; its log says why.' });
}

function typeOfStatus(status: number): string {
  switch (status) {
    case 401:
      return 'AuthenticationError';
    case 403:
      return 'PermissionDeniedError';
    case 404:
      return 'NotFoundError';
    case 405:
      return 'MethodNotAllowedError';
    case 408:
      return 'RequestTimeoutError';
    case 413:
      return 'RequestTooLargeError';
    case 415:
      return 'UnsupportedMediaTypeError';
    case 422:
      return 'UnprocessableEntityError';
    case 429:
      return 'RateLimitError';
    case 431:
      return 'RequestHeaderFieldsTooLargeError';
    case 501:
      return 'NotImplementedError';
    case 503:
      return 'ServiceUnavailableError';
    default:
      return status < 500 ? 'BadRequestError' : 'InternalServerError';
  }
}
