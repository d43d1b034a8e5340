/** The body of a request: read with a limit and a time-out, decoded, measured, parsed. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { loneSurrogateProblem } from '../../errors/index.js';
import { hasIndexKeys, orderKeys } from '../../json/index.js';
import { formatBytes } from '../../log/index.js';
import { badRequest, ClientGoneError, HttpError } from './http-error.js';
import { JsonMeter } from './json-shape.js';

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

export interface JsonLimits {
  /** Levels of lists and objects. */
  readonly depth: number;
  /** Objects, lists and keys together. */
  readonly parts: number;
  /** Items of lists and values of objects, together. */
  readonly values: number;
}

/** Bytes that are looked at before others have their turn. */
const TURN_BYTES = 128 * 1024;
/** A larger body takes long enough, with all that follows from it, for a crowd of them to keep others waiting. */
const LIGHT_BYTES = 16 * 1024;

let lastTurn: Promise<void> = Promise.resolve();

/** One heavy body in each turn of the event loop: between two of a crowd everybody else is heard. */
function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => setImmediate());
  return lastTurn;
}

/**
 * Nobody else waits for a large body: it is counted in pieces first, and what would take long to build is refused by its counts.
 * Objects keep the order of their keys (see orderKeys).
 * @throws HttpError 400 naming what is wrong and where
 */
export async function parseJsonBody(bytes: Buffer, limits: JsonLimits): Promise<unknown> {
  if (bytes.length === 0) throw badRequest('The body is empty; send a JSON object.');
  await checkShape(bytes, limits);
  if (!isUtf8(bytes)) throw badRequest('The body is not valid UTF-8.');
  // A byte order mark is no JSON; who sends one means the rest.
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  if (bytes.length > LIGHT_BYTES) await nextTurn();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`The body is not valid JSON: ${error instanceof Error ? error.message : ''}`);
  } finally {
    if (bytes.length > TURN_BYTES) await setImmediate();
  }
  return await inKeyOrder(value, text);
}

/** The value with its objects in the order of its text, as orderKeys gives it, while others have their turns. */
export async function inKeyOrder(value: unknown, json: string): Promise<unknown> {
  if (!hasIndexKeys(json)) return value;
  const turns = orderKeys(value, json);
  for (let turn = turns.next(); ; turn = turns.next()) {
    if (turn.done === true) return turn.value;
    await setImmediate();
  }
}

async function checkShape(bytes: Buffer, limits: JsonLimits): Promise<void> {
  const meter = new JsonMeter();
  for (let start = 0; start < bytes.length; start += TURN_BYTES) {
    if (start > 0) await setImmediate();
    meter.push(bytes.subarray(start, start + TURN_BYTES));
    if (meter.depth > limits.depth)
      throw badRequest(`The body's JSON is nested deeper than ${limits.depth} levels.`);
    if (meter.parts > limits.parts)
      throw badRequest(
        `The body has more than ${limits.parts} objects, lists and keys; send it in several requests.`,
      );
    if (meter.values > limits.values)
      throw badRequest(`The body has more than ${limits.values} values; send it in several requests.`);
    if (meter.loneSurrogate !== undefined) {
      const { shown, byte } = meter.loneSurrogate;
      throw badRequest(
        `The body is not valid Unicode: ${loneSurrogateProblem({ shown, location: `the string before byte ${byte}` })}.`,
      );
    }
  }
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
