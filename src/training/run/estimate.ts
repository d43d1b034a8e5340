/** What a run is expected to take, and at its end what it took. */
import type { RowSource } from '../../data/index.js';
import { log } from '../../log/index.js';
import type { LoadedModel } from '../../models/index.js';
import { emulatesBfloat16, type FloatDType, linearRoute, measureGemm } from '../../tensor/index.js';
import { planRun } from '../plan/plan-run.js';
import { comparePeak, peakResidentBytes } from '../plan/process-memory.js';
import type { FlopsBudget } from './flops-utilisation.js';
import type { TrainConfig } from './run-config.js';
import { rowsVary } from './run-rows.js';
import { weightBytes } from './teacher.js';

export interface RunEstimate {
  /** Arithmetic of a token, and the device's measured peak. */
  readonly flops: FlopsBudget;
  /** Planned memory beside the measured peak. */
  report(): void;
}

interface EstimateOptions {
  /** Resident memory right after the engine was prepared. */
  readonly startBytes: number;
  /** What JavaScript holds since then: tokenizer and rows. */
  readonly readBytes: number;
  /** Of distillation. */
  readonly teacher: LoadedModel | undefined;
  /** Ranks that have other rows. */
  readonly data: number;
}

export function estimateRun(
  config: TrainConfig,
  { model, architecture }: LoadedModel,
  rows: RowSource,
  { startBytes, readBytes, teacher, data }: EstimateOptions,
): RunEstimate {
  const { training, lora, parallel } = config;
  const dtype = model.computeDType;
  const plan = planRun(architecture, {
    precision: training.precision ?? (dtype === 'float16' ? 'float16-mixed' : dtype),
    loss: training.objective?.loss,
    teacher: teacher && { architecture: teacher.architecture, weightBytes: weightBytes(teacher.model) },
    length: Math.max(2, rows.rowLength) - 1,
    microBatchSize: training.micro_batch_size,
    accumulation: training.gradient_accumulation_steps,
    recompute: training.recompute,
    lora: lora === undefined ? undefined : { rank: lora.rank, targets: lora.target_modules },
    offloadOptimizer: training.offload.optimizer,
    layout: { data, zero: parallel.zero, tensor: parallel.tensor, sequence: parallel.sequence },
    copiesTransposed: dtype === 'float32' && linearRoute().gradWeight,
    emulatesBfloat16: dtype === 'bfloat16' && model.device === 'cpu' && emulatesBfloat16(),
    rowsVary: rowsVary(config.data),
    startBytes: startBytes + readBytes,
  });
  return {
    flops: { perToken: plan.flopsPerToken, peakPerSecond: measuredPeak(dtype) },
    report: () => log(comparePeak(plan.peakBytes, peakResidentBytes())),
  };
}

const peaks = new Map<FloatDType, number>();

/** Of matrix products, once for each process (0.2 s). */
function measuredPeak(dtype: FloatDType): number {
  const peak = peaks.get(dtype) ?? measureGemm(dtype) * 1e9;
  peaks.set(dtype, peak);
  return peak;
}
