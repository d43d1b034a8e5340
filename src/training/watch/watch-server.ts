/** A live page of a run. */
import { Worker } from 'node:worker_threads';
import { InputError, messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { compiledModule } from '../../workers/index.js';
import type { RunObserver } from './observer.js';
import { watchAddress } from './watch-service.js';
import type { WatchMessage, WatchReply, WatchSetup } from './watch-thread.js';

export interface WatchServerOptions {
  /** Default 127.0.0.1: this machine alone. Whoever reaches another address reads the run, samples included. */
  readonly host?: string;
  /** 0: a free one. */
  readonly port: number;
  /** The name of the run, shown as the title. Default "training". */
  readonly label?: string;
  /** Shown on the page. */
  readonly config?: unknown;
  readonly command?: string;
}

export interface WatchServer extends RunObserver {
  readonly url: string;
}

/**
 * Serves the page at `/`, Prometheus at `/metrics`, `/api/steps?from=N` and `/health` from a thread of its own until
 * `close`. Call it before anything large is allocated.
 * @throws InputError if the address is taken or not to be had
 */
export async function watchServer({
  host = '127.0.0.1',
  port,
  label = 'training',
  config,
  command,
}: WatchServerOptions): Promise<WatchServer> {
  const thread = new Worker(compiledModule(new URL('./watch-thread.js', import.meta.url)), {
    workerData: { host, port, label, config, command } satisfies WatchSetup,
  });
  const chosen = await listening(thread, host, port);
  let isOpen = true;
  const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  thread.on('error', (error) => {
    isOpen = false;
    log(`watch page: ${error.message}; the run goes on without it`);
  });
  thread.unref(); // A run that fails must end, watched or not.
  const send = (message: WatchMessage): void => {
    if (isOpen) thread.postMessage(message);
  };
  return {
    url: watchAddress(host, chosen),
    step: (record) => send({ kind: 'step', record }),
    evaluation: (record) => send({ kind: 'evaluation', record }),
    taskScores: (record) => send({ kind: 'taskScores', record }),
    sample: (record) => send({ kind: 'sample', record }),
    async close() {
      thread.ref();
      send({ kind: 'close' });
      isOpen = false;
      await exited;
    },
  };
}

function listening(thread: Worker, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', (reply: WatchReply) => {
      thread.off('error', reject);
      if (reply.kind === 'listening') resolve(reply.port);
      else
        reject(
          new InputError(`${watchAddress(host, port)}: ${explain(reply.code, reply.message, '--watch')}.`),
        );
    });
  });
}

/** @param option of the command line, which names the port */
export function explainListenFault(error: unknown, option: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return explain(code, messageOf(error), option);
}

function explain(code: string, message: string, option: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `the port is in use; give ${option} another one, or 0 for a free one`;
    case 'EACCES':
      return `the port may not be used; give ${option} one above 1023`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'this machine has no such address; leave the host away for 127.0.0.1';
    default:
      return `the page cannot be served: ${message}`;
  }
}
