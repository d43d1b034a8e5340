/** A judge behind an address whose every answer a function decides. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { fieldOf } from '../../src/json/index.js';

export interface JudgeCall {
  /** The texts of the messages, in order. */
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
}

/** A text is what the judge says; otherwise it answers by itself. */
export type JudgeBehaviour = (call: JudgeCall, response: ServerResponse) => string | undefined;

export interface MockJudge {
  readonly address: string;
  readonly calls: JudgeCall[];
  /** How it answers from now on. */
  behave(behaviour: JudgeBehaviour): void;
  close(): void;
}

export async function startMockJudge(behaviour: JudgeBehaviour): Promise<MockJudge> {
  const calls: JudgeCall[] = [];
  let current = behaviour;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (piece) => {
      text += String(piece);
    });
    request.on('end', () => {
      const body: unknown = text === '' ? {} : JSON.parse(text);
      if (request.method === 'GET') return sendJson(response, { data: [{ id: 'mock-judge' }] });
      const call = { messages: messagesOf(body), body, headers: request.headers };
      calls.push(call);
      const said = current(call, response);
      if (said !== undefined)
        sendJson(response, { choices: [{ message: { role: 'assistant', content: said } }] });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    address: `http://127.0.0.1:${address.port}`,
    calls,
    behave(next) {
      current = next;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function sendJson(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function messagesOf(body: unknown): JudgeCall['messages'] {
  const messages = fieldOf(body, 'messages');
  return Array.isArray(messages)
    ? messages.map((each) => ({
        role: String(fieldOf(each, 'role')),
        content: String(fieldOf(each, 'content')),
      }))
    : [];
}
