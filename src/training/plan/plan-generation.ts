/** Memory of generation on ranks that share every matrix. */
import type { Architecture } from '../../models/index.js';
import { BYTES, type Precision } from './byte-table.js';
import { partOfModel } from './part-of-model.js';
import { plannedModel } from './planned-model.js';
import { RANK_BYTES, RUNTIME_BYTES } from './process-memory.js';

export interface GenerationPlan {
  readonly weights: number;
  /** Keys and values of `tokens`. */
  readonly cache: number;
  /** Of a step, and of the process. */
  readonly others: number;
  readonly total: number;
}

/** Bytes of a rank. @param tokens in its cache @param batchTokens of a step */
export function planGeneration(
  architecture: Architecture,
  {
    precision,
    tensor,
    tokens,
    batchTokens = 512,
  }: {
    readonly precision: Precision;
    readonly tensor: number;
    readonly tokens: number;
    readonly batchTokens?: number;
  },
): GenerationPlan {
  const shapesOnly = architecture.createModel();
  const model = partOfModel(plannedModel(shapesOnly), shapesOnly, architecture, tensor);
  const { compute } = BYTES[precision];
  const { numLayers, numKvHeads, headDim, hiddenSize, intermediateSize, longestWindow } = model;
  const weights = model.elements * compute;
  const cache = 2 * numLayers * numKvHeads * headDim * Math.min(tokens, longestWindow ?? tokens) * compute;
  const step = batchTokens * (8 * hiddenSize + (3 * intermediateSize) / tensor) * compute;
  const others = step + RUNTIME_BYTES + (tensor > 1 ? RANK_BYTES : 0);
  return { weights, cache, others, total: weights + cache + others };
}
