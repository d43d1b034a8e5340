/** One side of a comparison: a program that is run once a round and prints what it measured as JSON in its last line. */

export interface Side {
  /** "xinghe", "llama.cpp". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** How messages name it: "--against FILE" of a peer; undefined: it is ours, and its messages are passed on as they are. */
  readonly option?: string | undefined;
  /** Called before each run, outside of the time: takes away what the last one left. */
  readonly prepare?: (() => void) | undefined;
}

/** What one run of a side gave. */
export interface SideRun {
  /** All that it printed. */
  readonly printed: Readonly<Record<string, unknown>>;
  /** From the start of its process to the end. */
  readonly processSeconds: number;
  /** Highest resident memory of its process, without its children; undefined where the system does not tell. */
  readonly peakMemoryMiB: number | undefined;
}

/** A number of a run by its key; the keys of the process itself are there on every side. @returns NaN of none */
export function numberOf({ printed, processSeconds, peakMemoryMiB }: SideRun, key: string): number {
  if (key === 'processSeconds') return processSeconds;
  if (key === 'peakMemoryMiB') return peakMemoryMiB ?? Number.NaN;
  const value = printed[key];
  return typeof value === 'number' ? value : Number.NaN;
}
