/** What a preparation did, as report.json says it and people read it. */

import type { ContaminationSetReport } from './contamination/index.js';
import type { LengthSummary } from './report-lengths.js';
import type { SkipReason } from './skip-report.js';
import type { UnreadKey } from './unread-keys.js';

/** Rows that were written. */
export interface RowCounts {
  readonly rows: number;
  /** Ids that are no padding. */
  readonly tokens: number;
  readonly padding: number;
  /** Share of the ids that are no padding. */
  readonly fillRate: number;
  /** Tokens that are learned. */
  readonly learnedTokens: number;
  /** Share of the tokens that are only read. */
  readonly maskedShare: number;
}

/** What the mixing took from one file. */
export interface FileDraws {
  readonly file: string;
  readonly weight: number;
  /** Samples of the file that could be drawn. */
  readonly samples: number;
  /** Draws, repeats counted. */
  readonly drawn: number;
  readonly tokens: number;
  /** Share of the tokens. */
  readonly share: number;
}

export interface PhaseDraws {
  /** Tokens of all phases up to the end of this one; undefined: until its data ran out. */
  readonly untilTokens: number | undefined;
  readonly rows: number;
  readonly files: readonly FileDraws[];
}

export interface PrepareReport {
  readonly recipe: string;
  readonly packing: string;
  readonly seqLength: number;
  readonly rowLength: number;
  /** The part of a job array, e.g. "2/8". */
  readonly shard: string | undefined;
  readonly train: RowCounts;
  readonly validation: RowCounts | undefined;
  readonly samples: {
    /** Records that were read as samples, of all shards. */
    readonly read: number;
    /** Of them encoded here. */
    readonly encoded: number;
    /** Distinct samples in the rows. */
    readonly used: number;
    /** Samples in the validation rows. */
    readonly validation: number;
  };
  /** Records that are in no row. All of them are listed in skipped.jsonl. */
  readonly skipped: { readonly total: number; readonly reasons: readonly SkipReason[] };
  /** Keys of records and turns that nobody read, the most frequent first. */
  readonly unreadKeys: readonly UnreadKey[];
  /** Tokens of the encoded samples. */
  readonly lengths: LengthSummary;
  /** One without a curriculum. */
  readonly phases: readonly PhaseDraws[];
  /** undefined: it was not looked for. */
  readonly duplicates: number | undefined;
  readonly contamination: readonly ContaminationSetReport[] | undefined;
}

export function countRows(rows: number, rowLength: number, tokens: number, learnedTokens: number): RowCounts {
  const ids = rows * rowLength;
  return {
    rows,
    tokens,
    padding: ids - tokens,
    fillRate: ids === 0 ? 0 : tokens / ids,
    learnedTokens,
    maskedShare: tokens === 0 ? 0 : 1 - learnedTokens / tokens,
  };
}
