/** The engine's process of a rank behind the first, started again when it died: the first rank's engine dies with it, and comes again. */
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { InputError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { compiledModule } from '../../workers/index.js';
import { deserializeError, type FromFollower } from './messages.js';
import type { TextEngineSetup } from './text-engine-module.js';

/** The first rank's engine waits about as long. */
const RESTART_MILLISECONDS = 1_000;

export class FollowerProcess {
  readonly #setup: TextEngineSetup;
  #child: ChildProcess | undefined;
  #isEnding = false;
  #wasReady = false;
  #isReady = false;

  constructor(setup: TextEngineSetup) {
    this.#setup = setup;
  }

  /** Until the first rank has ended. @throws InputError for what cannot be loaded */
  async run(): Promise<void> {
    for (;;) {
      const { how, fault } = await this.#runOnce();
      if (how === undefined || this.#isEnding) return;
      if (fault instanceof InputError && !this.#wasReady) throw fault;
      log(
        `error: the engine's process of this rank ended ${how}${fault === undefined ? '' : ` (${fault.message})`}; it is started again`,
      );
      await delay(RESTART_MILLISECONDS);
      if (this.#isEnding) return;
    }
  }

  /** The first rank was asked to end: what it still does is followed, and nothing is started again. */
  end(): void {
    this.#isEnding = true;
    // It cannot hear while it waits for the first rank, and has nothing to lose.
    if (!this.#isReady) this.#child?.kill('SIGKILL');
  }

  /** Ends the process at once. */
  kill(): void {
    this.#isEnding = true;
    this.#child?.kill('SIGKILL');
  }

  /** @returns how: undefined if the first rank has ended */
  #runOnce(): Promise<{ readonly how: string | undefined; readonly fault: Error | undefined }> {
    const entry = compiledModule(new URL('./follower-child.js', import.meta.url));
    const child = fork(entry, [String(process.pid)], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    let fault: Error | undefined;
    this.#isReady = false;
    child.on('message', (message: FromFollower) => {
      if (message.kind === 'fault') fault = deserializeError(message.error);
      else this.#wasReady = this.#isReady = true;
    });
    child.send(this.#setup);
    return new Promise((resolve) => {
      child.on('error', (error) => {
        if (child.pid === undefined) resolve({ how: `before it began: ${error.message}`, fault });
      });
      child.on('exit', (code, signal) => {
        if (code === 0) resolve({ how: undefined, fault });
        else resolve({ how: signal === null ? `with exit code ${code}` : `by signal ${signal}`, fault });
      });
    });
  }
}
