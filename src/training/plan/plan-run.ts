/** Memory and time of a run before it is started. */
import { type Architecture, rewardArchitecture } from '../../models/index.js';
import { type LossName, sequencesPerRow } from '../objective/objective-config.js';
import { adaptedBy } from './adapted-layers.js';
import { BYTES, type Precision } from './byte-table.js';
import { type Communication, communicationOf } from './communication.js';
import { flopsPerToken } from './flops.js';
import { partOfModel } from './part-of-model.js';
import {
  adapterElements,
  estimatePeakMemory,
  type LoraPlan,
  type PeakMemory,
  type PeakMemoryOptions,
} from './peak-memory.js';
import { type PlannedModel, plannedModel } from './planned-model.js';
import { RANK_BYTES, RUNTIME_BYTES, VARYING_ROWS_BYTES } from './process-memory.js';
import { ALONE, type RankLayout, ranksOf } from './rank-layout.js';
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
  /** Bytes a second from rank to rank; undefined: sending takes no time. */
  readonly bandwidth?: number | undefined;
  /** Resident memory of the process when the engine was started. */
  readonly startBytes: number;
}

export interface RunPlan {
  /** The whole of it. */
  readonly model: PlannedModel;
  readonly layout: RankLayout;
  /** What a rank sends in a step, bytes. */
  readonly communication: Communication;
  /** Of a rank. */
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
  const { layout = ALONE } = options;
  const shapesOnly = architecture.createModel();
  const whole = plannedModel(shapesOnly);
  const model = partOfModel(whole, shapesOnly, architecture, layout.tensor);
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
  const adapters = lora === undefined ? undefined : adapterElements(whole, lora);
  const flops = flopsPerToken(whole, { length, adapterElements: adapters });
  const tokens = length * microBatchSize * accumulation * layout.data;
  const processBytes =
    options.startBytes +
    RUNTIME_BYTES +
    (options.rowsVary === true ? VARYING_ROWS_BYTES : 0) +
    (ranksOf(layout) > 1 ? RANK_BYTES : 0);
  const { peakFlopsPerSecond, bandwidth, cacheTokens = length } = options;
  const bytes = BYTES[precision];
  const communication = communicationOf(layout, {
    elements: model.elements,
    trainedElements: lora === undefined ? model.elements : adapterElements(model, lora),
    computeBytes: bytes.compute,
    gradientBytes: bytes.summedGradient,
    tokens: length * microBatchSize,
    accumulation,
    layers: model.numLayers,
    hiddenSize: model.hiddenSize,
    recompute,
  });
  return {
    model: whole,
    layout,
    communication,
    memory,
    processBytes,
    peakBytes: memory.total + processBytes,
    cacheBytes: cacheBytes(model, precision, cacheTokens),
    trainedElements: adapters ?? whole.elements,
    flopsPerToken: flops,
    tokensPerStep: tokens,
    secondsPerStep:
      peakFlopsPerSecond === undefined
        ? undefined
        : stepSeconds({
            precision,
            // Each rank has its part of the arithmetic.
            tokens: tokens / ranksOf(layout),
            flopsPerToken: flops,
            peakFlopsPerSecond,
            recompute,
            layers: model.numLayers,
          }) + sendingSeconds(communication, bandwidth),
  };
}

/** As if nothing were computed meanwhile. */
function sendingSeconds({ data, tensor }: Communication, bandwidth: number | undefined): number {
  return bandwidth === undefined ? 0 : (data + tensor) / bandwidth;
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
