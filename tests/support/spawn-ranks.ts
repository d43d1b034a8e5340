/** Ranks of a script of ours, each a process with one thread. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';

/**
 * `node SCRIPT RANK RANKS PORT ARGS…` for every rank, to their end.
 * @param ports that the script uses, from PORT on @throws Error with the output of every rank that failed
 */
export async function spawnRanks(
  script: string,
  args: readonly string[],
  ranks: number,
  ports: number,
): Promise<void> {
  const port = await freePorts(ports);
  const children: ChildProcess[] = [];
  const one = (rank: number): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [script, String(rank), String(ranks), String(port), ...args], {
        env: { ...process.env, OMP_NUM_THREADS: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (piece: Buffer) => {
          output += piece.toString();
        });
      children.push(child);
      child.on('close', (code) => {
        // The others would wait for it.
        if (code !== 0) for (const other of children) other.kill('SIGKILL');
        resolve(code === 0 ? '' : `rank ${rank} of ${ranks}, exit code ${code}:\n${output.slice(-3000)}`);
      });
    });
  const failed = (await Promise.all(Array.from({ length: ranks }, (_, rank) => one(rank)))).filter(
    (text) => text !== '',
  );
  if (failed.length > 0) throw new Error(failed.join('\n'));
}

/** Ports that nobody has, one after the other. */
async function freePorts(count: number): Promise<number> {
  for (let port = 21_000 + (process.pid % 10_000); ; port += count)
    if ((await Promise.all(Array.from({ length: count }, (_, index) => isFree(port + index)))).every(Boolean))
      return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
