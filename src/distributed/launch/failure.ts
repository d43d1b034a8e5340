/** Which rank is to blame for the end of a run, and how that is told. */
import { formatDuration } from '../../log/index.js';
import type { RankExit } from './protocol.js';

export interface Failure {
  /** Of the launcher. */
  readonly code: number;
  /** One sentence without a full stop, and lines below it. */
  readonly reason: string;
  readonly details: readonly string[];
}

export const EXIT_FAILURE = 1;
export const EXIT_BAD_INPUT = 2;
export const EXIT_INTERRUPTED = 130;

/** Ended by a Ctrl-C, not by a fault. */
export function isInterrupted({ code, signal }: RankExit): boolean {
  return code === EXIT_INTERRUPTED || signal === 'SIGINT';
}

export function hasFailed({ code }: RankExit): boolean {
  return code !== 0;
}

/**
 * A rank whose neighbour has died fails itself within milliseconds, so that the order in which deaths are noticed proves little:
 * who was killed by a signal comes before who ended with an exit code, then the earlier.
 * @param exits at least one; `endedAt` on one clock
 */
export function firstToBlame(exits: readonly EndedRank[]): RankExit | undefined {
  const [first] = [...exits].sort(
    (one, other) => weightOf(one.exit) - weightOf(other.exit) || one.endedAt - other.endedAt,
  );
  return first?.exit;
}

export interface EndedRank {
  readonly exit: RankExit;
  /** In milliseconds. */
  readonly endedAt: number;
}

/** SIGABRT is how a C++ exception ends, which a lost neighbour may raise. */
function weightOf({ signal }: RankExit): number {
  return signal === null || signal === 'SIGABRT' ? 1 : 0;
}

export function failureOf(exit: RankExit): Failure {
  const { rank, node, host, pid, code, signal, seconds, lines } = exit;
  const how =
    signal === null
      ? `ended with exit code ${code}`
      : `was killed by ${signal}${signal === 'SIGKILL' ? ' (kill -9, or the kernel for want of memory)' : ''}`;
  return {
    code: signal === null ? (code ?? EXIT_FAILURE) : signal === 'SIGINT' ? EXIT_INTERRUPTED : EXIT_FAILURE,
    reason: `rank ${rank} (node ${node}, ${host}, process ${pid}) ${how} after ${formatDuration(seconds)}`,
    details: lines.length === 0 ? [] : ['its last lines:', ...lines.map((line) => `  rank ${rank}: ${line}`)],
  };
}
