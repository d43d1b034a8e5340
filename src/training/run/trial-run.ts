/** The first steps of a run, to see how fast and how full they are: nothing is written. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunCheckpointStore } from '../checkpoints/run-checkpoint-store.js';
import type { RunObserver, StepRecord } from '../watch/observer.js';
import { CHECKPOINTS } from './output-folder.js';
import { PeakMeter } from './peak-meter.js';
import { referencedRows } from './reference.js';
import { joinRanks, loopOptions, prepareRun } from './run.js';
import type { TrainConfig } from './run-config.js';
import { runTrainingLoop } from './training-loop.js';

export interface TrialRun {
  /** The first one apart, which is slower. */
  readonly steps: number;
  /** Of a step, the median. */
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** Of the rank that took most, bytes. */
  readonly peakBytes: number;
  readonly plannedBytes: number;
  /** Rank 0 reports for all. */
  readonly isFirst: boolean;
}

/**
 * @param steps at least 2
 * @throws InputError for whatever `runTraining` would refuse of the configuration
 */
export async function trialRun(config: TrainConfig, steps: number): Promise<TrialRun> {
  const ranks = joinRanks(config);
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-trial-'));
  try {
    const tried = shortened(config, steps, folder);
    const store = new RunCheckpointStore(join(folder, CHECKPOINTS), tried.checkpoints, ranks);
    const run = await prepareRun(tried, store, undefined, { ranks });
    try {
      const meter = new StepMeter();
      const rows = await referencedRows(run, run.data.rows, 'training');
      await runTrainingLoop(run.loaded, rows, { ...loopOptions(run), observers: [meter] });
      const peaks = ranks?.world.group.gatherNumbers([meter.peakBytes]).flat() ?? [meter.peakBytes];
      return {
        ...meter.result(),
        peakBytes: Math.max(...peaks),
        plannedBytes: run.estimate.plannedBytes,
        isFirst: ranks?.isFirst !== false,
      };
    } finally {
      run.data.close();
      run.loaded.model.dispose();
      run.teacher?.model.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    ranks?.leave();
  }
}

/** So many steps at one rate, which every schedule can have. */
function shortened(config: TrainConfig, steps: number, output: string): TrainConfig {
  return {
    ...config,
    output,
    evaluation: undefined,
    training: {
      ...config.training,
      steps,
      epochs: undefined,
      schedule: 'constant',
      schedule_form: 'hf',
      schedule_steps: undefined,
      warmup_steps: undefined,
      warmup_ratio: undefined,
      decay_steps: undefined,
    },
  };
}

class StepMeter implements RunObserver {
  readonly #peak = new PeakMeter();
  readonly #records: StepRecord[] = [];

  step(record: StepRecord): void {
    this.#records.push(record);
    this.#peak.step();
  }

  close(): void {}

  get peakBytes(): number {
    return this.#peak.bytes;
  }

  result(): Pick<TrialRun, 'steps' | 'seconds' | 'tokensPerSecond'> {
    const times = this.#records.slice(1).map(({ elapsedSeconds }, index) => {
      const before = this.#records[index];
      return elapsedSeconds - (before?.elapsedSeconds ?? 0);
    });
    const rates = this.#records.slice(1).map(({ tokensPerSecond }) => tokensPerSecond);
    return { steps: times.length, seconds: median(times), tokensPerSecond: median(rates) };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
