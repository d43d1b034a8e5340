/** Counts for the report. */
import type { DatasetIndex } from '../dataset/dataset-index.js';
import type { RowPlan } from '../packing/row-plan.js';
import { countRows, type FileDraws, type PhaseDraws, type RowCounts } from '../report.js';
import type { PrepareJob } from './prepare-options.js';
import type { SampleStore } from './sample-store.js';

export function countsOf({ rows, row_length, tokens, learned_tokens }: DatasetIndex): RowCounts {
  return countRows(rows, row_length, tokens, learned_tokens);
}

/** What the mixture drew from each file. */
export function describePhases(
  phases: readonly Uint32Array[],
  plans: readonly RowPlan[],
  available: Uint32Array,
  { files, lengths }: SampleStore,
  { inputs, mixture }: PrepareJob,
): PhaseDraws[] {
  const samples = countBy(available, files, inputs.length, () => 1);
  return phases.map((draws, phase) => {
    const weights = mixture.kind === 'phases' ? mixture.phases[phase]?.weights : mixture.weights;
    const drawn = countBy(draws, files, inputs.length, () => 1);
    const tokens = countBy(draws, files, inputs.length, (sample) => lengths[sample]!);
    const total = tokens.reduce((sum, count) => sum + count, 0);
    return {
      untilTokens: mixture.kind === 'phases' ? mixture.phases[phase]?.untilTokens : undefined,
      rows: plans[phase]?.rowCount ?? 0,
      files: inputs.map(
        (file, number): FileDraws => ({
          file,
          weight: weights?.[number] ?? 0,
          samples: samples[number]!,
          drawn: drawn[number]!,
          tokens: tokens[number]!,
          share: total === 0 ? 0 : tokens[number]! / total,
        }),
      ),
    };
  });
}

function countBy(
  samples: Uint32Array,
  files: Uint32Array,
  fileCount: number,
  weigh: (sample: number) => number,
): number[] {
  const counts = new Array<number>(fileCount).fill(0);
  for (const sample of samples) counts[files[sample]!]! += weigh(sample);
  return counts;
}
