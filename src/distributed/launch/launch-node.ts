/** The ranks of one node, as the launcher that coordinates a run sees them: here, or on another machine. */
import type { HandedSignal, NodeStart, RankBeat, RankExit } from './protocol.js';

/** What a node tells of its ranks. */
export interface NodeEvents {
  /** Once for each rank. */
  readonly onExit: (exit: RankExit) => void;
  /** About twice a second, of the ranks that run. */
  readonly onBeats: (node: number, beats: readonly RankBeat[]) => void;
  /** Its launcher is not there any more. */
  readonly onLost: (node: number, why: string) => void;
  /** A signal that its launcher got. */
  readonly onSignal: (signal: HandedSignal) => void;
}

export interface LaunchNode {
  readonly node: number;
  start(start: NodeStart, events: NodeEvents): void;
  signal(signal: HandedSignal): void;
  /** Ends all ranks: SIGTERM, then SIGKILL; with isNow SIGKILL. Resolves when they have ended, or within 10 s. */
  stop(isNow: boolean): Promise<void>;
  /** A line for the people at its terminal. */
  say(text: string): void;
  /** The run is over. */
  end(code: number, text: string): void;
}
