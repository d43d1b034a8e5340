/** Request bodies that nobody reads. */
import type { IncomingMessage } from 'node:http';

/** Bytes and time that a body which nobody wants may still go on. */
const LINGER_BYTES = 16 * 1024 * 1024;
const LINGER_MILLISECONDS = 1000;

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Throws away what still comes, for a while. */
export async function linger(request: IncomingMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const finish = (): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', finish).off('close', finish);
      resolve();
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > LINGER_BYTES) finish();
    };
    const timer = setTimeout(finish, LINGER_MILLISECONDS);
    request.on('data', onData).on('end', finish).on('close', finish);
  });
}
