/** The ranks of this machine. */
import { writeStderr } from '../../log/index.js';
import { BEAT_MILLISECONDS } from './beat.js';
import type { LaunchNode, NodeEvents } from './launch-node.js';
import type { HandedSignal, NodeStart } from './protocol.js';
import type { Terminal } from './rank-output.js';
import { type Program, RankProcess } from './rank-process.js';
import { type RankVariablesOptions, rankVariables } from './rank-variables.js';
import { resumingArguments } from './resuming-arguments.js';

/** Between SIGTERM and SIGKILL, when a rank has failed and the others cannot go on. */
const GRACE_MILLISECONDS = 5_000;

export interface LocalNodeOptions extends Omit<RankVariablesOptions, 'networkInterface'> {
  readonly program: Program;
  /** The command of the ranks and its arguments. */
  readonly command: readonly string[];
  readonly logDir: string | undefined;
  readonly terminal: Terminal;
}

export class LocalNode implements LaunchNode {
  readonly node: number;
  /** What its ranks' connections go through. */
  networkInterface: string | undefined;
  readonly #options: LocalNodeOptions;
  #processes: RankProcess[] = [];
  #beats: NodeJS.Timeout | undefined;
  #running = 0;
  #whenEnded: (() => void)[] = [];
  /** No rank outlives this process, however it ends. */
  readonly #onProcessExit = (): void => this.#kill();

  constructor(node: number, options: LocalNodeOptions) {
    this.node = node;
    this.#options = options;
  }

  start(start: NodeStart, events: NodeEvents): void {
    const { program, command, logDir, terminal } = this.#options;
    const args = [...program.args, ...(start.restart === 0 ? command : resumingArguments(command))];
    process.on('exit', this.#onProcessExit);
    this.#running = start.ranks.length;
    this.#processes = start.ranks.map(
      (rank) =>
        new RankProcess(
          rank,
          start,
          {
            program: { file: program.file, args },
            environment: rankVariables(
              rank,
              start,
              { ...this.#options, networkInterface: this.networkInterface },
              process.env,
            ),
            logDir,
            terminal,
          },
          (exit) => {
            events.onExit(exit);
            this.#running -= 1;
            if (this.#running === 0) this.#ended();
          },
        ),
    );
    this.#sendBeats(events);
  }

  signal(signal: HandedSignal): void {
    for (const process of this.#processes) process.signal(signal);
  }

  async stop(isNow: boolean): Promise<void> {
    if (this.#running === 0) return;
    const ended = new Promise<void>((resolve) => this.#whenEnded.push(resolve));
    if (isNow) this.#kill();
    else this.signal('SIGTERM');
    const timer = setTimeout(() => this.#kill(), GRACE_MILLISECONDS);
    await ended;
    clearTimeout(timer);
  }

  say(text: string): void {
    writeStderr(`xinghe launch: ${text}\n`);
  }

  end(): void {}

  #kill(): void {
    for (const process of this.#processes) process.kill();
  }

  #ended(): void {
    clearInterval(this.#beats);
    process.off('exit', this.#onProcessExit);
    for (const resolve of this.#whenEnded.splice(0)) resolve();
  }

  #sendBeats(events: NodeEvents): void {
    let last = performance.now();
    this.#beats = setInterval(() => {
      const now = performance.now();
      // This process was stopped for a while, or the machine slept: nobody could be heard.
      const late = now - last - BEAT_MILLISECONDS;
      last = now;
      const running = this.#processes.filter(({ hasEnded }) => !hasEnded);
      if (late > 2 * BEAT_MILLISECONDS) for (const process of running) process.forgive(late);
      events.onBeats(
        this.node,
        running.map((process) => process.beat()),
      );
    }, BEAT_MILLISECONDS);
  }
}
