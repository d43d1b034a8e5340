/** Memory and time of a run before it is started. */
import { type Architecture, rewardArchitecture } from '../../models/index.js';
import { type LossName, sequencesPerRow } from '../objective/objective-config.js';
import { adaptedBy } from './adapted-layers.js';
import { BYTES, type Precision } from './byte-table.js';
import { flopsPerToken } from './flops.js';
import {
  adapterElements,
  estimatePeakMemory,
  type LoraPlan,
  type PeakMemory,
  type PeakMemoryOptions,
} from './peak-memory.js';
import { type PlannedModel, plannedModel } from './planned-model.js';
import { RUNTIME_BYTES, VARYING_ROWS_BYTES } from './process-memory.js';
import { stepSeconds } from './step-time.js';

export interface PlanOptions extends Omit<PeakMemoryOptions, 'lora' | 'splitsLogits' | 'teacher'> {
  /** What is learned by. Default: cross-entropy. */
  readonly loss?: LossName | undefined;
  /** Of distillation, and bytes of its weights. */
  readonly teacher?: { readonly architecture: Architecture; readonly weightBytes: number } | undefined;
  readonly lora?: { readonly rank: number; readonly targets: readonly string[] } | undefined;
  /** Tokens that one sequence of generation keeps in its cache. Default: length. */
  readonly cacheTokens?: number | undefined;
  /** Measured speed of matrix products; undefined: no times. */
  readonly peakFlopsPerSecond?: number | undefined;
  /** Do rows have lengths of their own? Default: all are as long as `length`. */
  readonly rowsVary?: boolean | undefined;
  /** Resident memory of the process when the engine was started. */
  readonly startBytes: number;
}

export interface RunPlan {
  readonly model: PlannedModel;
  readonly memory: PeakMemory;
  /** The program, libraries and their buffers. */
  readonly processBytes: number;
  /** memory.total and processBytes. */
  readonly peakBytes: number;
  /** Keys and values of one sequence in generation. */
  readonly cacheBytes: number;
  readonly trainedElements: number;
  readonly flopsPerToken: number;
  readonly tokensPerStep: number;
  readonly secondsPerStep: number | undefined;
}

/** The model has shapes only: nothing large is allocated. */
export function planRun(given: Architecture, { microBatchSize: rows, ...options }: PlanOptions): RunPlan {
  const { loss } = options;
  const architecture = loss === 'reward' ? rewardArchitecture(given) : given;
  const shapesOnly = architecture.createModel();
  const model = plannedModel(shapesOnly);
  const { length, accumulation = 1, precision, recompute } = options;
  const microBatchSize = rows * sequencesPerRow(loss);
  const lora: LoraPlan | undefined =
    options.lora === undefined
      ? undefined
      : { rank: options.lora.rank, adapts: adaptedBy(shapesOnly, architecture.names, options.lora.targets) };
  const splitsLogits = loss !== undefined && loss !== 'reward';
  const teacher = options.teacher && {
    model: plannedModel(options.teacher.architecture.createModel()),
    weightBytes: options.teacher.weightBytes,
  };
  const memory = estimatePeakMemory(model, { ...options, microBatchSize, lora, splitsLogits, teacher });
  const adapters = lora === undefined ? undefined : adapterElements(model, lora);
  const flops = flopsPerToken(model, { length, adapterElements: adapters });
  const tokens = length * microBatchSize * accumulation;
  const processBytes =
    options.startBytes + RUNTIME_BYTES + (options.rowsVary === true ? VARYING_ROWS_BYTES : 0);
  const { peakFlopsPerSecond, cacheTokens = length } = options;
  return {
    model,
    memory,
    processBytes,
    peakBytes: memory.total + processBytes,
    cacheBytes: cacheBytes(model, precision, cacheTokens),
    trainedElements: adapters ?? model.elements,
    flopsPerToken: flops,
    tokensPerStep: tokens,
    secondsPerStep:
      peakFlopsPerSecond === undefined
        ? undefined
        : stepSeconds({
            precision,
            tokens,
            flopsPerToken: flops,
            peakFlopsPerSecond,
            recompute,
            layers: model.numLayers,
          }),
  };
}

/** A key and a value of all their heads for each layer and token, no more than the window. */
function cacheBytes(
  { numLayers, numKvHeads, headDim, longestWindow }: PlannedModel,
  precision: Precision,
  tokens: number,
): number {
  return (
    2 *
    numLayers *
    numKvHeads *
    headDim *
    Math.min(tokens, longestWindow ?? tokens) *
    BYTES[precision].compute
  );
}
