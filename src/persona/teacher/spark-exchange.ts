/** One question to Spark's WebSocket API: the request, the frames of the answer, and what went wrong. */
import WebSocket from 'ws';
import { z } from 'zod';
import { sparkError } from './spark-errors.js';
import { type SparkKeys, signedSparkUrl } from './spark-signature.js';

export interface SparkMessage {
  readonly role: string;
  readonly content: string;
}

export interface SparkRequest {
  readonly address: string;
  readonly keys: SparkKeys;
  readonly domain: string;
  readonly messages: readonly SparkMessage[];
  readonly temperature: number;
  readonly maxTokens: number;
  readonly timeoutSeconds: number;
}

export interface SparkAnswer {
  readonly text: string;
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

/** Why there is no answer. */
export class SparkFailure extends Error {
  readonly reason: string;
  readonly remedy: 'wait' | 'skip' | 'stop';

  constructor(reason: string, remedy: SparkFailure['remedy'], message: string) {
    super(message);
    this.reason = reason;
    this.remedy = remedy;
  }
}

const frameSchema = z.object({
  header: z.object({ code: z.number(), message: z.string().default(''), sid: z.string().default('') }),
  payload: z
    .object({
      choices: z.object({
        status: z.number(),
        text: z.array(z.object({ content: z.string() })),
      }),
      usage: z
        .object({ text: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }) })
        .optional(),
    })
    .optional(),
});

/** Frames of an answer are small; a server that sends more than this in one is none of ours. */
const MOST_FRAME_BYTES = 2 ** 22;

/** @throws SparkFailure; its messages hold neither keys nor the signed address */
export function askSpark(request: SparkRequest): Promise<SparkAnswer> {
  const { address, keys, timeoutSeconds } = request;
  const socket = new WebSocket(signedSparkUrl(address, keys), {
    maxPayload: MOST_FRAME_BYTES,
    perMessageDeflate: false,
  });
  return new Promise<SparkAnswer>((resolve, reject) => {
    let [text, promptTokens, generatedTokens] = ['', 0, 0];
    const timer = setTimeout(
      () => fail('timed out', 'wait', `no end of the answer within ${timeoutSeconds} s`),
      timeoutSeconds * 1000,
    );
    const end = (): void => {
      clearTimeout(timer);
      socket.terminate();
    };
    const fail = (reason: string, remedy: SparkFailure['remedy'], message: string): void => {
      end();
      reject(new SparkFailure(reason, remedy, `${address}: ${message}`));
    };
    socket.on('open', () => socket.send(JSON.stringify(requestBody(request))));
    socket.on('message', (data) => {
      const frame = readFrame(String(data));
      if (frame === undefined)
        return fail('no frame', 'wait', `sent ${shown(String(data))}, which is no frame of an answer`);
      const { code, message, sid } = frame.header;
      if (code !== 0) {
        const { reason, remedy } = sparkError(code);
        return fail(reason, remedy, `code ${code}: ${shown(message)}${sid === '' ? '' : ` (sid ${sid})`}`);
      }
      const { choices, usage } = frame.payload ?? {};
      text += choices?.text.map(({ content }) => content).join('') ?? '';
      promptTokens = usage?.text.prompt_tokens ?? promptTokens;
      generatedTokens = usage?.text.completion_tokens ?? generatedTokens;
      if (choices?.status !== 2) return;
      end();
      resolve({ text, promptTokens, generatedTokens });
    });
    socket.on('unexpected-response', (_, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        if (body.length < 2000) body += piece;
      });
      response.on('error', () => refuse(body)).on('end', () => refuse(body));
      const refuse = (said: string): void => {
        const { reason, remedy, hint } = refusalOf(response.statusCode ?? 0, said);
        fail(reason, remedy, `${response.statusCode}: ${shown(messageIn(said))}${hint}`);
      };
    });
    socket.on('error', (error) => fail('no connection', 'wait', error.message));
    socket.on('close', (code) =>
      fail('cut off', 'wait', `the connection was closed in the middle of the answer (${code})`),
    );
  });
}

function requestBody({ keys, domain, messages, temperature, maxTokens }: SparkRequest): object {
  return {
    header: { app_id: keys.appId, uid: 'xinghe' },
    parameter: { chat: { domain, temperature, max_tokens: maxTokens } },
    payload: { message: { text: messages } },
  };
}

function readFrame(text: string): z.output<typeof frameSchema> | undefined {
  try {
    return frameSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** What an answer to the handshake means that is no WebSocket. */
function refusalOf(
  status: number,
  body: string,
): { reason: string; remedy: SparkFailure['remedy']; hint: string } {
  if (status === 401)
    return {
      reason: 'keys refused',
      remedy: 'stop',
      hint: '; check SPARK_API_KEY and SPARK_API_SECRET: they are wrong or have expired',
    };
  if (status === 403)
    return /date|clock|skew|HMAC/i.test(body)
      ? {
          reason: 'clock differs',
          remedy: 'stop',
          hint: '; the clock of this machine differs from the server’s, set it',
        }
      : { reason: 'banned', remedy: 'stop', hint: '; the keys have no right to this service' };
  if (status === 404) return { reason: 'no such service', remedy: 'stop', hint: '; check --spark-url' };
  if (status === 429) return { reason: 'rate limit', remedy: 'wait', hint: '' };
  return { reason: `status ${status}`, remedy: status >= 500 ? 'wait' : 'stop', hint: '' };
}

function messageIn(body: string): string {
  try {
    return z.object({ message: z.string() }).parse(JSON.parse(body)).message;
  } catch {
    return body;
  }
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
