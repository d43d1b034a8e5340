/** The server's side of the engine's process: messages, its log output, its exit. */
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { log } from '../../log/index.js';
import { compiledModule } from '../../workers/index.js';
import type { FromEngine, ToEngine } from './messages.js';

export interface ChildHooks {
  readonly onMessage: (message: FromEngine) => void;
  /** Once. @param how "by signal SIGKILL", "with exit code 1" */
  readonly onEnd: (how: string) => void;
}

/** Milliseconds that a process has to end by itself. */
const CLOSE_GRACE_MS = 5_000;
/** Longer lines of its output are cut: a log line, not a document. */
const MAX_LINE = 4_000;

export class ChildHandle {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  constructor({ onMessage, onEnd }: ChildHooks) {
    const entry = compiledModule(new URL('./engine-child.js', import.meta.url));
    this.#process = fork(entry, [String(process.pid)], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Options such as --inspect are for the server: two processes cannot share a debugging port.
      execArgv: [],
    });
    prefixLines(this.#process.stdout);
    prefixLines(this.#process.stderr);
    this.#process.on('message', onMessage);
    this.#ended = new Promise((resolve) => {
      let isOver = false;
      const end = (how: string): void => {
        if (isOver) return;
        isOver = true;
        this.#process.removeAllListeners('message');
        resolve();
        onEnd(how);
      };
      this.#process.on('error', (error) => {
        // Also what could not be sent to a process that is about to end: `exit` follows then.
        if (this.#process.pid === undefined) end(`before it began: ${error.message}`);
      });
      this.#process.on('exit', (code, signal) =>
        end(signal === null ? `with exit code ${code}` : `by signal ${signal}`),
      );
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(message: ToEngine): void {
    // An error here is its end, told by `exit`.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Asks it to end, and ends it if it does not. */
  async close(): Promise<void> {
    this.send({ kind: 'close' });
    const timer = setTimeout(() => this.kill(), CLOSE_GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

function prefixLines(stream: Readable | null): void {
  if (stream === null) return;
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
    log(`engine: ${line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line}`),
  );
}
