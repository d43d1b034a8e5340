/** A judge behind an address whose every answer a function decides. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fieldOf } from '../../src/json/index.js';
import { sendJson, startMockAddress } from './mock-address.js';

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
  close(): Promise<void>;
}

export async function startMockJudge(behaviour: JudgeBehaviour): Promise<MockJudge> {
  const calls: JudgeCall[] = [];
  let current = behaviour;
  const { url, close } = await startMockAddress(({ method, body, headers }, response) => {
    if (method === 'GET') return sendJson(response, { data: [{ id: 'mock-judge' }] });
    const call = { messages: messagesOf(body), body, headers };
    calls.push(call);
    const said = current(call, response);
    if (said !== undefined)
      sendJson(response, { choices: [{ message: { role: 'assistant', content: said } }] });
  });
  return {
    address: url,
    calls,
    behave(next) {
      current = next;
    },
    close,
  };
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
