/** The body of a request: read with a limit and a time-out, decoded, measured, parsed. */
import type { IncomingMessage } from 'node:http';
import { findLoneSurrogate, loneSurrogateProblem } from '../../errors/index.js';
import { formatBytes } from '../../log/index.js';
import { badRequest, ClientGoneError, HttpError } from './http-error.js';

export interface BodyLimits {
  readonly bytes: number;
  /** From the head to the last byte. */
  readonly milliseconds: number;
}

/**
 * @throws HttpError 413 as soon as the limit is passed (by Content-Length before a byte is read), 408 when the body takes
 *   too long
 * @throws ClientGoneError, and what the signal is aborted with
 */
export async function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
  signal: AbortSignal,
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limits.bytes) throw tooLarge(limits.bytes);
  const chunks: Buffer[] = [];
  let size = 0;
  return await new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => finish(tooSlow(limits.milliseconds)), limits.milliseconds);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.bytes) finish(tooLarge(limits.bytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onGone = (): void => finish(new ClientGoneError());
    const onAbort = (): void => finish(signal.reason);
    const finish = (error?: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      // A late 'error' of a request that was given up must not end the process.
      request.on('error', () => undefined);
      if (error === undefined) resolve(Buffer.concat(chunks, size));
      else reject(error);
    };
    signal.addEventListener('abort', onAbort);
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

/** @throws HttpError 415 for anything but JSON in UTF-8, not compressed */
export function checkContentType(request: IncomingMessage): void {
  const type = request.headers['content-type'];
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new HttpError(415, { message: `Content-Encoding is ${show(encoding)}; send the body as it is.` });
  if (type === undefined || !/^application\/(?:json|[\w.+-]+\+json)\s*(?:;|$)/i.test(type))
    throw new HttpError(415, {
      message: `Content-Type is ${type === undefined ? 'missing' : show(type)}; send application/json.`,
    });
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw new HttpError(415, { message: `The body's charset is ${show(charset)}; send UTF-8.` });
}

/** @throws HttpError 400 naming what is wrong and where */
export function parseJsonBody(bytes: Buffer, maxDepth: number): unknown {
  if (bytes.length === 0) throw badRequest('The body is empty; send a JSON object.');
  const depth = jsonDepth(bytes, maxDepth);
  if (depth > maxDepth) throw badRequest(`The body's JSON is nested deeper than ${maxDepth} levels.`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('The body is not valid UTF-8.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`The body is not valid JSON: ${error instanceof Error ? error.message : ''}`);
  }
  const lone = findLoneSurrogate(value, text);
  if (lone !== undefined) throw badRequest(`The body is not valid Unicode: ${loneSurrogateProblem(lone)}.`);
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Levels of arrays and objects in JSON text, counted up to `limit` + 1 without recursion. */
export function jsonDepth(bytes: Uint8Array, limit: number): number {
  let depth = 0;
  let deepest = 0;
  let isString = false;
  for (let index = 0; index < bytes.length && deepest <= limit; index++) {
    const byte = bytes[index];
    if (isString) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) isString = false;
    } else if (byte === QUOTE) isString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return deepest;
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, { message: `The body is larger than ${formatBytes(limit)}.` });
}

function tooSlow(milliseconds: number): HttpError {
  return new HttpError(408, { message: `The body did not arrive within ${milliseconds / 1000} s.` });
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
