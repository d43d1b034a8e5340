/** A port of this machine that nobody has. */
import { createServer } from 'node:net';

/** Somebody may take it before it is used; a rank that finds it taken says so. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
