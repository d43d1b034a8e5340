/** Memory of generation, from the shapes: of one process, or of each of several that share every matrix. */
import type { HeldWeights } from '../../checkpoint/index.js';
import type { Architecture } from '../../models/index.js';
import { BLOCK_SIZE, pagedBlockBytes } from '../../nn/index.js';
import { byteWidth, type FloatDType } from '../../tensor/index.js';
import type { PrecisionBytes } from './byte-table.js';
import { partOfModel } from './part-of-model.js';
import { type PlannedModel, plannedModel } from './planned-model.js';
import { plannedStages, stageWeightBytes } from './planned-stage.js';
import { GENERATION_BYTES, RANK_BYTES } from './process-memory.js';
import { blockMemory, headMemory } from './segment-memory.js';

export interface GenerationOptions {
  /** What the files say, or would say. */
  readonly weights: HeldWeights;
  /** Ranks that share the matrices. Default 1. */
  readonly tensor?: number;
  /** Texts at the same time. Default 1. */
  readonly sequences?: number;
  /** Tokens of each, its answer included. */
  readonly length: number;
  /** Default: the dtype of the weights. */
  readonly kvDType?: 'int8' | undefined;
  /** Of a step. Default 512. */
  readonly batchTokens?: number;
  /** Resident memory of the process when the engine was started. Default 0. */
  readonly startBytes?: number;
}

/** Bytes of a rank. */
export interface GenerationPlan {
  readonly elements: number;
  readonly weights: number;
  /** Elements of the weights that stay integers, and what these take. */
  readonly integerElements: number;
  readonly integerBytes: number;
  /** Pages of keys and values. */
  readonly cache: number;
  /** Of one token. */
  readonly cachePerToken: number;
  /** What a step has for a moment. */
  readonly step: number;
  /** Pages of files, while weights in another dtype are made of them. */
  readonly reading: number;
  /** The program, libraries and their buffers. */
  readonly process: number;
  /** At the fuller of both: reading, and running. */
  readonly total: number;
  readonly phase: 'reading' | 'running';
}

export function planGeneration(
  architecture: Architecture,
  {
    weights: held,
    tensor = 1,
    sequences = 1,
    length,
    kvDType,
    batchTokens = 512,
    startBytes = 0,
  }: GenerationOptions,
): GenerationPlan {
  const shapesOnly = architecture.createModel();
  const whole = plannedModel(shapesOnly, held.integers);
  const model = partOfModel(whole, shapesOnly, architecture, tensor);
  const compute = byteWidth(held.dtype);
  const { floats, integers } = stageWeightBytes(model, all(model), compute);
  const pageBytes = pagedBlockBytes({
    layers: model.numLayers,
    numKvHeads: model.numKvHeads,
    headDim: model.headDim,
    dtype: kvDType ?? held.dtype,
  });
  // A window needs what it sees, what is new, and the pages at both ends of it.
  const seen = Math.min(length, (model.longestWindow ?? length) + batchTokens + 2 * BLOCK_SIZE);
  const cache = sequences * Math.ceil(seen / BLOCK_SIZE) * pageBytes;
  const step = stepBytes(model, held.dtype, Math.min(batchTokens, sequences * length), sequences);
  const process = startBytes + GENERATION_BYTES + (tensor > 1 ? RANK_BYTES : 0);
  const weights = floats + integers;
  const reading = held.castBytes;
  return {
    elements: whole.elements,
    weights,
    integerElements: [...held.integers.values()].reduce((sum, { elements }) => sum + elements, 0),
    integerBytes: integers,
    cache,
    cachePerToken: pageBytes / BLOCK_SIZE,
    step,
    reading,
    process,
    total: weights + process + Math.max(reading, cache + step),
    phase: reading > cache + step ? 'reading' : 'running',
  };
}

function all({ blocks }: PlannedModel) {
  const [stage] = plannedStages(blocks.length, 1);
  if (stage === undefined) throw new TypeError('a model without a stage');
  return stage;
}

/** The fullest block of a step, and its logits, which JavaScript has in float32 too. */
function stepBytes(model: PlannedModel, dtype: FloatDType, tokens: number, rows: number): number {
  const compute = byteWidth(dtype);
  const bytes: PrecisionBytes = {
    compute,
    wide: Math.max(compute, 4),
    summedGradient: compute,
    moments: 0,
    master: 0,
  };
  const options = {
    bytes,
    trainedElements: () => 0,
    rank: () => 0,
    trainsAll: false,
    copiesTransposed: false,
    emulatesBfloat16: false,
  };
  const hidden = tokens * model.hiddenSize * compute;
  const blocks = model.blocks.map((block) => blockMemory(model, block, { ...options, tokens }).forward);
  const head = headMemory(model, { ...options, tokens: Math.min(rows, tokens) }).forward;
  const logits = Math.min(rows, tokens) * model.outputSize * 4;
  return hidden + Math.max(...blocks, head + logits);
}
