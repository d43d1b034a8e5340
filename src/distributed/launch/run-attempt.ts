/** One start of all ranks on all nodes, until they have ended. */
import {
  type EndedRank,
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  type Failure,
  failureOf,
  firstToBlame,
  hasFailed,
  isInterrupted,
} from './failure.js';
import type { LaunchNode, NodeEvents } from './launch-node.js';
import type { HandedSignal, NodeStart, RankBeat, RankExit } from './protocol.js';
import { describeRanks, findHang, type KnownBeat } from './watchdog.js';

/** For deaths that came first and are told later. */
const BLAME_MILLISECONDS = 400;
const CHECK_MILLISECONDS = 250;

export interface AttemptResult {
  /** 0: every rank ended with 0. */
  readonly code: number;
  /** undefined also after an interruption. */
  readonly failure: Failure | undefined;
}

export interface RunAttemptOptions {
  /** Seconds without a sign of life, or without progress of anybody. */
  readonly timeout: number;
  /** Told as soon as it is known, before the other ranks are ended. */
  readonly onFailure: (failure: Failure) => void;
}

export class RunAttempt {
  readonly #nodes: readonly LaunchNode[];
  readonly #options: RunAttemptOptions;
  readonly #ended: EndedRank[] = [];
  readonly #beats = new Map<number, { readonly beat: RankBeat; readonly at: number }>();
  #worldSize = 0;
  #signalled: HandedSignal | undefined;
  #isInterrupted = false;
  #isKilled = false;
  #failure: Failure | undefined;
  #blaming: NodeJS.Timeout | undefined;
  /** From here on ranks end because they are made to. */
  #isDecided = false;
  #wake: () => void = () => {};
  readonly #settled = new Promise<void>((resolve) => {
    this.#wake = resolve;
  });

  constructor(nodes: readonly LaunchNode[], options: RunAttemptOptions) {
    this.#nodes = nodes;
    this.#options = options;
  }

  /** @param starts by node */
  async run(starts: readonly NodeStart[]): Promise<AttemptResult> {
    this.#worldSize = starts[0]?.worldSize ?? 0;
    for (const [index, start] of starts.entries()) this.#nodes[index]?.start(start, this.events);
    const timer = setInterval(() => this.#lookForHang(), CHECK_MILLISECONDS);
    await this.#settled;
    clearInterval(timer);
    clearTimeout(this.#blaming);
    if (this.#failure !== undefined) this.#options.onFailure(this.#failure);
    await Promise.all(this.#nodes.map((node) => node.stop(this.#isKilled)));
    if (this.#failure !== undefined) return { code: this.#failure.code, failure: this.#failure };
    return { code: this.#isInterrupted ? EXIT_INTERRUPTED : 0, failure: undefined };
  }

  readonly events: NodeEvents = {
    onExit: (exit) => this.#takeExit(exit),
    onBeats: (_, beats) => {
      const at = performance.now();
      for (const beat of beats) this.#beats.set(beat.rank, { beat, at });
    },
    onLost: (node, why) => this.#fail({ code: EXIT_FAILURE, reason: `node ${node}: ${why}`, details: [] }),
    onSignal: (signal) => this.signal(signal),
  };

  /** Handed to all ranks, once. */
  signal(signal: HandedSignal): void {
    if (this.#signalled !== undefined) return;
    this.#signalled = signal;
    for (const node of this.#nodes) node.signal(signal);
  }

  /** Ends all at once. */
  kill(): void {
    this.#isKilled = true;
    this.#isInterrupted = true;
    this.#settle();
  }

  #settle(): void {
    this.#isDecided = true;
    this.#wake();
  }

  #takeExit(exit: RankExit): void {
    if (this.#isDecided) return;
    this.#ended.push({ exit, endedAt: performance.now() - exit.ago });
    this.#beats.delete(exit.rank);
    if (hasFailed(exit)) {
      if (this.#isPartOfEnding(exit)) {
        this.#isInterrupted = true;
        // The others are to save and end as this one did.
        this.signal('SIGINT');
      } else this.#blaming ??= setTimeout(() => this.#blame(), BLAME_MILLISECONDS);
    }
    if (this.#ended.length < this.#worldSize) return;
    if (this.#blaming === undefined) this.#settle();
    else this.#blame();
  }

  /** Did it end because it was asked to? */
  #isPartOfEnding(exit: RankExit): boolean {
    return isInterrupted(exit) || (this.#signalled !== undefined && exit.signal === this.#signalled);
  }

  #blame(): void {
    const exit = firstToBlame(
      this.#ended.filter((ended) => hasFailed(ended.exit) && !this.#isPartOfEnding(ended.exit)),
    );
    if (exit !== undefined) this.#fail(failureOf(exit));
  }

  #lookForHang(): void {
    const now = performance.now();
    const known: KnownBeat[] = [...this.#beats.values()].map(({ beat, at }) => ({
      beat,
      age: (now - at) / 1000,
    }));
    const reason = findHang(known, this.#options.timeout);
    if (reason !== undefined)
      this.#fail({
        code: EXIT_FAILURE,
        reason,
        details: ['where each rank was:', ...indented(describeRanks(known))],
      });
  }

  #fail(failure: Failure): void {
    if (this.#isDecided) return;
    this.#failure = failure;
    this.#settle();
  }
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
