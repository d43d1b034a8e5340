/** `xinghe serve` as a process beside the one that measures it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { commandSide } from '../rounds/own-side.js';

export interface ServedProcess {
  readonly url: URL;
  /** Resident MiB of the server and of its engine's process together; undefined where the system does not tell. */
  memoryMiB(): number | undefined;
  /** Fulfilled when it has ended. */
  stop(): Promise<void>;
}

const READY_SECONDS = 120;

/** On a free port of 127.0.0.1, ready. @param args options of `xinghe serve` @throws Error when it ends before */
export async function startServedProcess(args: readonly string[]): Promise<ServedProcess> {
  const { command, args: before } = commandSide(['serve', '--port', '0', '--quiet', ...args]);
  const child = spawn(command, before, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  for (let waited = 0; !/ready after/.test(stderr); waited += 20) {
    if (child.exitCode !== null || waited > READY_SECONDS * 1000)
      throw new Error(`xinghe serve did not become ready: ${stderr}`);
    await setTimeout(20);
  }
  const url = new URL(/ (http:\/\/\S+)\/v1 /.exec(stderr)?.[1] ?? 'http://unknown');
  return {
    url,
    memoryMiB: () => memoryOf(child),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function memoryOf({ pid }: ChildProcess): number | undefined {
  try {
    const engines = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const sizes = [String(pid), ...engines.filter((each) => each !== '')].map((each) =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1]),
    );
    return sizes.reduce((sum, size) => sum + size, 0) / 1024;
  } catch {
    return undefined;
  }
}
