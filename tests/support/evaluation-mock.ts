/** An OpenAI-compatible address for evaluations, which behaves as it is told. */
import { createServer, type ServerResponse } from 'node:http';

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
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', async () => {
      const path = request.url ?? '';
      if (path.endsWith('/models')) {
        json(response, { data: [{ id: 'mock' }] });
        return;
      }
      const body: unknown = JSON.parse(text);
      if (!(await answer({ count: asked++, path, body }, response))) json(response, usualAnswer(path));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    get asked() {
      return asked;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function json(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function usualAnswer(path: string): object {
  const text = 'The answer is A.';
  return {
    choices: [path.endsWith('/chat/completions') ? { message: { content: text } } : { text }],
    usage: { prompt_tokens: 3, completion_tokens: 5 },
  };
}
