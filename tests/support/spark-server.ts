/** Spark's WebSocket API as a server of ours: checks signature and date, then says what a function decides, frame by frame. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { fieldOf } from '../../src/json/index.js';

export const SPARK_KEYS = { appId: 'app-1', apiKey: 'key-of-test', apiSecret: 'secret-of-test' } as const;

/** Seconds that the date of a request may differ from the server's clock. */
const MOST_SKEW_SECONDS = 300;

export interface SparkCall {
  readonly question: string;
  readonly body: unknown;
  /** Calls before this one. */
  readonly number: number;
}

/** Texts: the pieces of an answer. A number: an error code. cut: closed in the middle. silent: nothing comes. junk: no frame. */
export type SparkBehaviour = (call: SparkCall) => readonly string[] | number | 'cut' | 'silent' | 'junk';

export interface SparkServer {
  readonly address: string;
  readonly calls: SparkCall[];
  /** Connections at the same time, the most so far. */
  readonly most: () => number;
  /** Seconds by which its clock is ahead. */
  setClock(seconds: number): void;
  behave(behaviour: SparkBehaviour): void;
  close(): void;
}

export async function startSparkServer(behaviour: SparkBehaviour, path = '/v3.5/chat'): Promise<SparkServer> {
  const calls: SparkCall[] = [];
  let [current, skew, open, most] = [behaviour, 0, 0, 0];
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const refusal = refusalOf(request, path, Date.now() + skew * 1000);
    if (refusal !== undefined) {
      const body = JSON.stringify({ message: refusal.message });
      socket.end(
        `HTTP/1.1 ${refusal.status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (connection) => {
      open += 1;
      most = Math.max(most, open);
      connection.on('close', () => {
        open -= 1;
      });
      connection.on('message', (data) => {
        const body: unknown = JSON.parse(String(data));
        const call = { question: questionOf(body), body, number: calls.length };
        calls.push(call);
        answer(connection, current(call));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    address: `ws://127.0.0.1:${address.port}${path}`,
    calls,
    most: () => most,
    setClock(seconds) {
      skew = seconds;
    },
    behave(next) {
      current = next;
    },
    close() {
      for (const client of sockets.clients) client.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Written from the description of the interface, apart from the client. */
function refusalOf(
  request: IncomingMessage,
  path: string,
  now: number,
): { status: number; message: string } | undefined {
  const url = new URL(request.url ?? '', 'http://localhost');
  const { searchParams: query } = url;
  const date = query.get('date') ?? '';
  const host = query.get('host') ?? '';
  if (url.pathname !== path) return { status: 404, message: 'no such service' };
  if (!(Math.abs(Date.parse(date) - now) <= MOST_SKEW_SECONDS * 1000))
    return {
      status: 403,
      message:
        'HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication',
    };
  const given = Buffer.from(query.get('authorization') ?? '', 'base64').toString();
  const part = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(given)?.[1] ?? '';
  const wanted = createHmac('sha256', SPARK_KEYS.apiSecret)
    .update([`host: ${host}`, `date: ${date}`, `GET ${path} HTTP/1.1`].join('\n'))
    .digest();
  const signature = Buffer.from(part('signature'), 'base64');
  const isRight =
    host === request.headers.host &&
    part('api_key') === SPARK_KEYS.apiKey &&
    part('algorithm') === 'hmac-sha256' &&
    part('headers') === 'host date request-line' &&
    signature.length === wanted.length &&
    timingSafeEqual(signature, wanted);
  return isRight ? undefined : { status: 401, message: 'HMAC signature does not match' };
}

function questionOf(body: unknown): string {
  const texts = fieldOf(fieldOf(fieldOf(body, 'payload'), 'message'), 'text');
  const last: unknown = Array.isArray(texts) ? texts.at(-1) : undefined;
  return String(fieldOf(last, 'content'));
}

function answer(connection: WebSocket, wanted: ReturnType<SparkBehaviour>): void {
  const frame = (code: number, message: string, status: number, content = ''): string =>
    JSON.stringify({
      header: { code, message, sid: 'cht000', status },
      ...(code === 0 && {
        payload: {
          choices: { status, seq: 0, text: [{ content, role: 'assistant', index: 0 }] },
          ...(status === 2 && {
            usage: { text: { question_tokens: 3, prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 } },
          }),
        },
      }),
    });
  if (wanted === 'silent') return;
  if (wanted === 'junk') {
    connection.send('<html>busy</html>');
    return;
  }
  if (wanted === 'cut') {
    connection.send(frame(0, 'Success', 0, '半'));
    connection.close();
    return;
  }
  if (typeof wanted === 'number') {
    connection.send(frame(wanted, `error of code ${wanted}`, 2));
    return;
  }
  for (const [place, piece] of wanted.entries())
    connection.send(frame(0, 'Success', place === wanted.length - 1 ? 2 : place === 0 ? 0 : 1, piece));
}
