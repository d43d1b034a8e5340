/** What a run is expected to take, and at its end what it took. */
import type { HeldIntegers, IntegerLayers } from '../../checkpoint/index.js';
import type { RowSource } from '../../data/index.js';
import { log } from '../../log/index.js';
import type { CausalLm, LoadedModel } from '../../models/index.js';
import { IntegerEmbedding, IntegerLinear } from '../../quantization/index.js';
import { emulatesBfloat16, type FloatDType, linearRoute, measureGemm } from '../../tensor/index.js';
import { planRun } from '../plan/plan-run.js';
import { comparePeak, peakResidentBytes } from '../plan/process-memory.js';
import { layoutOfSection } from '../plan/rank-layout.js';
import type { FlopsBudget } from './flops-utilisation.js';
import type { TrainConfig } from './run-config.js';
import { needsWhole } from './run-model.js';
import { rowsVary } from './run-rows.js';
import { weightBytes } from './teacher.js';

export interface RunEstimate {
  /** Arithmetic of a token, and the device's measured peak. */
  readonly flops: FlopsBudget;
  /** Of the rank that takes most. */
  readonly plannedBytes: number;
  /** Planned memory beside the measured peak. @param peaks of all ranks. Default: this process is alone */
  report(peaks?: readonly number[]): void;
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
    integers: integersOf(model),
    offloadOptimizer: training.offload.optimizer,
    layout: layoutOfSection(parallel, data),
    copiesTransposed: dtype === 'float32' && linearRoute().gradWeight,
    emulatesBfloat16: dtype === 'bfloat16' && model.device === 'cpu' && emulatesBfloat16(),
    rowsVary: rowsVary(config.data),
    beginning: needsWhole(config) ? 'whole' : config.model.path === undefined ? 'part' : 'mapped',
    startBytes: startBytes + readBytes,
  });
  return {
    flops: { perToken: plan.flopsPerToken, peakPerSecond: measuredPeak(dtype) },
    plannedBytes: plan.peakBytes,
    report: (peaks = [peakResidentBytes()]) => log(comparePeak(plan.peakBytes, Math.max(...peaks))),
  };
}

/** What stays integers beside adapters. */
function integersOf(model: CausalLm): IntegerLayers {
  return new Map(
    [...model.namedModules()].flatMap(([path, layer]): [string, HeldIntegers][] => {
      if (layer instanceof IntegerLinear)
        return [
          [
            path,
            { bits: layer.bits, elements: layer.outFeatures * layer.inFeatures, bytes: layer.weightBytes },
          ],
        ];
      if (layer instanceof IntegerEmbedding)
        return [[path, { bits: 8, elements: layer.vocabSize * layer.hiddenSize, bytes: layer.weightBytes }]];
      return [];
    }),
  );
}

const peaks = new Map<FloatDType, number>();

/** Of matrix products, once for each process (0.2 s). */
function measuredPeak(dtype: FloatDType): number {
  const peak = peaks.get(dtype) ?? measureGemm(dtype) * 1e9;
  peaks.set(dtype, peak);
  return peak;
}
