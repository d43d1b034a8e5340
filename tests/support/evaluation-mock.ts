/** An OpenAI-compatible address for evaluations, which behaves as it is told. */
import type { ServerResponse } from 'node:http';
import { sendJson, startMockAddress } from './mock-address.js';

export interface MockRequest {
  /** From 0, of those that ask for an answer. */
  readonly count: number;
  readonly path: string;
  readonly body: unknown;
}

export interface EvaluationMock {
  readonly url: string;
  readonly asked: number;
  close(): Promise<void>;
}

/** @param answer false: nothing was written, the mock gives its usual answer */
export async function evaluationMock(
  answer: (request: MockRequest, response: ServerResponse) => boolean | Promise<boolean> = () => false,
): Promise<EvaluationMock> {
  let asked = 0;
  const { url, close } = await startMockAddress(async ({ path, body }, response) => {
    if (path.endsWith('/models')) sendJson(response, { data: [{ id: 'mock' }] });
    else if (!(await answer({ count: asked++, path, body }, response))) sendJson(response, usualAnswer(path));
  });
  return {
    url,
    get asked() {
      return asked;
    },
    close,
  };
}

function usualAnswer(path: string): object {
  const text = 'The answer is A.';
  return {
    choices: [path.endsWith('/chat/completions') ? { message: { content: text } } : { text }],
    usage: { prompt_tokens: 3, completion_tokens: 5 },
  };
}
