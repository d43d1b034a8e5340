/** An HTTP address whose every answer a function decides: the one server behind the mocks of OpenAI-compatible APIs. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface AddressRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Parsed JSON; {} where nothing was sent. */
  readonly body: unknown;
}

export interface MockAddress {
  readonly url: string;
  close(): Promise<void>;
}

export async function startMockAddress(
  answer: (request: AddressRequest, response: ServerResponse) => void | Promise<void>,
): Promise<MockAddress> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const body: unknown = text === '' ? {} : JSON.parse(text);
      void answer({ method, path, headers, body }, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
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
