/** Raw HTTP for tests of servers: what fetch would not send, and what it would hide. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends bytes as they are and reads until the server closes (or `milliseconds` have passed). */
export async function sendRaw(port: number, bytes: string | Buffer, milliseconds = 3000): Promise<string> {
  return await new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('utf8'));
    };
    const timer = setTimeout(finish, milliseconds);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', finish).on('close', finish);
  });
}

/** Sends bytes as they are and reads one whole answer, whether or not the server closes then. */
export async function askRaw(port: number, bytes: string): Promise<string> {
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const finish = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      if (isWhole(text)) finish();
    });
    socket.on('error', reject).on('close', finish);
  });
  return Buffer.from(answer, 'latin1').toString('utf8');
}

/** @param text one character a byte */
function isWhole(text: string): boolean {
  if (!text.includes('\r\n\r\n')) return false;
  const { headers, body } = parseAnswer(text);
  if (headers.get('transfer-encoding') === 'chunked') return body.endsWith('0\r\n\r\n');
  return body.length >= Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
}

/** The first answer in what was read. */
export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  return {
    status: Number(first.split(' ')[1]),
    headers: new Map(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    ),
    body: text.slice(end + 4),
  };
}

/** A connection that stays open. */
export async function openSocket(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Waits until it is so. @throws Error with what was hoped for after 5 s */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
