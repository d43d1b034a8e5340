/** What the page is given: plain data, also read by the scripts in `client/`. */

import type { ComparisonWarning } from './comparison-warning.js';

export type Verdict = 'right' | 'wrong' | 'partly' | 'missing' | 'unlabelled';

export interface ReportContent {
  readonly version: string;
  /** One: a report. More: a comparison. */
  readonly runs: readonly ReportRun[];
  readonly tasks: readonly ReportTask[];
  readonly samples: SampleStore;
}

export interface ReportRun {
  readonly label: string;
  readonly folder: string;
  /** The model's path or address, or the file of recorded outputs. */
  readonly model: string;
  readonly command: string;
  readonly started: string;
  readonly seconds: number;
  readonly samplesPerSecond: number;
  readonly complete: boolean;
  /** Hashes and the like, for those who ask. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export interface ReportTask {
  readonly name: string;
  readonly title: string;
  /** One for each run; null where it has no such task. */
  readonly runs: readonly (TaskOfRun | null)[];
  /** What others published of their models, in percent. */
  readonly published: readonly { readonly model: string; readonly score: number }[];
  readonly comparison: readonly ComparedMetric[];
  readonly common: number | null;
  readonly warnings: readonly ComparisonWarning[];
}

export interface TaskOfRun {
  readonly entries: readonly Entry[];
  readonly shots: number;
  readonly mode: string;
  readonly form: string | null;
  readonly cot: boolean;
  readonly version: number;
  readonly data: string;
  readonly chance: number | null;
  readonly notes: readonly string[];
  readonly problems: readonly { readonly reason: string; readonly count: number; readonly first: string }[];
}

export interface Entry {
  readonly metric: string;
  readonly score: number | null;
  readonly interval: readonly [number, number] | null;
  readonly n: number;
  readonly missing: number;
  readonly average: string | null;
  readonly points: readonly [number, number] | null;
  readonly groups: readonly Group[];
}

export interface Group {
  readonly name: string;
  /** Null: not finite. */
  readonly score: number | null;
  readonly n: number;
  readonly interval: readonly [number, number] | null;
  readonly points: readonly [number, number] | null;
}

export interface ComparedMetric {
  readonly metric: string;
  /** Place of the run that is compared with the first. */
  readonly run: number;
  readonly scores: readonly [first: number, second: number];
  readonly difference: number;
  readonly interval: readonly [number, number] | null;
  readonly firstOnly: number | null;
  readonly secondOnly: number | null;
  readonly p: number | null;
  readonly method: 'exact' | 'chi-squared' | null;
}

/** What of the samples is in the page. */
export interface SampleStore {
  readonly count: number;
  /** Elements with so many samples each, gzip in base64. */
  readonly blocks: number;
  /** Texts longer than this were cut in their middle; null: none was. */
  readonly cutAt: number | null;
  readonly cutTexts: number;
  /** Samples that are not in the page at all. */
  readonly leftOut: number;
  /** The files that have everything. */
  readonly files: readonly string[];
}

/** One of a block; short names, for there are many. */
export interface PageSample {
  /** Place of the task. */
  readonly t: number;
  readonly id: string;
  /** Groups. */
  readonly g: readonly string[];
  readonly target: string | readonly string[] | null;
  readonly most: number | null;
  readonly prompt: string | null;
  /** Texts of the options, where the prompt does not list them. */
  readonly o?: readonly string[];
  /** One for each run. */
  readonly a: readonly (PageAnswer | null)[];
}

export interface PageAnswer {
  readonly v: Verdict;
  readonly output: string | readonly string[] | null;
  readonly extracted: string | readonly string[] | null;
  /** Of several outputs: which are right. */
  readonly each?: readonly boolean[];
  readonly points?: number;
  /** Nats of each option, for each decision; null: minus infinity. */
  readonly options?: readonly (readonly (number | null)[])[];
  readonly missing?: string;
  /** Where it was asked otherwise than in the first run. */
  readonly prompt?: string;
}
