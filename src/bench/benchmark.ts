/** What is measured, as data: the sides that are run in turns, the numbers that are compared, what a reader must know. */
import type { MachinePeaks } from './machine/machine-peaks.js';
import type { Side } from './rounds/side.js';
import type { Better } from './rounds/summarize.js';

export interface Metric {
  /** In the JSON of a side; `processSeconds` and `peakMemoryMiB` are measured of its process. */
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: Better;
  /** A side need not have it (the system does not tell, or the peer's program does not print it). Default false. */
  readonly optional?: boolean | undefined;
  /** Only our side has it. Default false. */
  readonly ours?: boolean | undefined;
  /** What it cannot exceed: the best of ours is shown as a share of it. */
  readonly limit?: keyof MachinePeaks | undefined;
}

/** A number that is to be the same on both sides for the comparison to be fair, such as tokens; shown where both print it. */
export interface Agreement {
  readonly key: string;
  readonly title: string;
}

/** Sizes at which a time was taken, and how it is expected to grow. */
export interface CostLaw {
  readonly sizes: readonly {
    readonly size: number;
    readonly timeKey: string;
    readonly memoryKey?: string | undefined;
  }[];
  /** "tokens of context". */
  readonly unit: string;
  /** In words: "…" */
  readonly expected: string;
  /** Of time = c x size^k. */
  readonly exponent: { readonly least: number; readonly greatest: number };
}

export interface Benchmark {
  /** First word of a result's file name: "decode". */
  readonly subject: string;
  /** "Decode, 350m, bfloat16, 1 sequence". */
  readonly title: string;
  /** The options in words, in the order to show. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly metrics: readonly Metric[];
  readonly agreements?: readonly Agreement[] | undefined;
  readonly ours: Side;
  readonly peer?: Side | undefined;
  /** Formulas and conditions, one sentence or two each. */
  readonly notes: readonly string[];
  /** Of a cost table. */
  readonly law?: CostLaw | undefined;
  /** What a whole process does, by key: such a metric is this, divided by the seconds of the process. */
  readonly perProcess?: Readonly<Record<string, number>> | undefined;
  readonly threads?: number | undefined;
}
