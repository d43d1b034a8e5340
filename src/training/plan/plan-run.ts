/** Memory and time of a run before it is started. */
import type { Architecture } from '../../models/index.js';
import { adaptedBy } from './adapted-layers.js';
import { BYTES, type Precision } from './byte-table.js';
import { flopsPerToken } from './flops.js';
import { type ModelShape, modelShape } from './model-shape.js';
import {
  adapterElements,
  estimatePeakMemory,
  type LoraPlan,
  type PeakMemory,
  type PeakMemoryOptions,
} from './peak-memory.js';
import { ENGINE_BYTES } from './process-memory.js';
import { stepSeconds } from './step-time.js';

export interface PlanOptions extends Omit<PeakMemoryOptions, 'lora'> {
  readonly lora?: { readonly rank: number; readonly targets: readonly string[] } | undefined;
  /** Tokens that one sequence of generation keeps in its cache. Default: length. */
  readonly cacheTokens?: number | undefined;
  /** Measured speed of matrix products; undefined: no times. */
  readonly peakFlopsPerSecond?: number | undefined;
  /** Resident memory of the process when the engine was started. */
  readonly startBytes: number;
}

export interface RunPlan {
  readonly shape: ModelShape;
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
export function planRun(architecture: Architecture, options: PlanOptions): RunPlan {
  const shape = modelShape(architecture.createModel());
  const { length, microBatchSize, accumulation = 1, precision, recompute } = options;
  const lora: LoraPlan | undefined =
    options.lora === undefined
      ? undefined
      : { rank: options.lora.rank, adapts: adaptedBy(architecture, options.lora.targets) };
  const memory = estimatePeakMemory(shape, { ...options, lora });
  const adapters = lora === undefined ? undefined : adapterElements(shape, lora);
  const flops = flopsPerToken(shape, { length, adapterElements: adapters });
  const tokens = length * microBatchSize * accumulation;
  const processBytes = options.startBytes + ENGINE_BYTES;
  const { peakFlopsPerSecond, cacheTokens = length } = options;
  return {
    shape,
    memory,
    processBytes,
    peakBytes: memory.total + processBytes,
    cacheBytes: cacheBytes(shape, precision, cacheTokens),
    trainedElements: adapters ?? shape.elements,
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
            layers: shape.blocks.length,
          }),
  };
}

/** A key and a value of the hidden size for each layer and token, no more than the window. */
function cacheBytes(
  { blocks, hiddenSize, window }: ModelShape,
  precision: Precision,
  tokens: number,
): number {
  return 2 * blocks.length * hiddenSize * Math.min(tokens, window ?? tokens) * BYTES[precision].compute;
}
