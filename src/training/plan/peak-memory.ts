/** Peak memory of a training run, from its shapes: a walk through one step, segment by segment. */
import type { Recompute } from '../step/segments.js';
import { BYTES, type Precision, type PrecisionBytes, UPDATE_CHUNK_ELEMENTS } from './byte-table.js';
import { blockLinears, type LinearShape, type PlannedModel } from './planned-model.js';
import {
  type PlannedStage,
  segmentElements,
  segmentsOf,
  stageElements,
  stageWeightBytes,
} from './planned-stage.js';
import { ALONE, type RankLayout, replicasOf } from './rank-layout.js';
import { blockMemory, headMemory, type SegmentOptions } from './segment-memory.js';
import { phasesOf, type StepPhase, type StepShape } from './step-phases.js';
import { type PlannedTeacher, teacherMemory } from './teacher-memory.js';

export interface PeakMemoryOptions {
  readonly precision: Precision;
  /** Predictions in a row. */
  readonly length: number;
  /** Rows. */
  readonly microBatchSize: number;
  /** Micro-batches of a step. Default 1. */
  readonly accumulation?: number;
  readonly recompute: Recompute;
  readonly lora?: LoraPlan | undefined;
  /** Whose distribution is learned. Default: nobody's. */
  readonly teacher?: PlannedTeacher | undefined;
  /** Masters and moments lie in host memory beside an accelerator. Default false. */
  readonly offloadOptimizer?: boolean;
  /** As linearRoute() of src/tensor says of the CPU. Default false. */
  readonly copiesTransposed?: boolean;
  /** The loss is made of sequences one by one, as those over answers are. Default false. */
  readonly splitsLogits?: boolean;
  /** Of which `model` has what one rank has of its matrices. Default: a process on its own. */
  readonly layout?: RankLayout | undefined;
  /** What of the model this rank computes. Default: all of it. */
  readonly stage?: PlannedStage | undefined;
  /** Elements that the rank has at the beginning, where that is more than what is its. */
  readonly beginningElements?: number | undefined;
  /** As emulatesBfloat16() of src/tensor says, where the model computes in bfloat16 on the CPU. Default false. */
  readonly emulatesBfloat16?: boolean;
}

export interface LoraPlan {
  readonly rank: number;
  readonly adapts: (path: string) => boolean;
}

/** Bytes that exist in the fullest phase. */
export interface PeakMemory {
  readonly weights: number;
  readonly masters: number;
  readonly moments: number;
  readonly gradients: number;
  /** Saved for the backward pass, by all segments. */
  readonly activations: number;
  /** What the segment at hand needs for a moment, logits and their gradient included. */
  readonly working: number;
  /** Ids, masks, rotary tables. */
  readonly inputs: number;
  /** What each of Gloo's threads keeps of the parameters that it gathered. */
  readonly buffers: number;
  /** Weights of the teacher, and what its head is given. */
  readonly teacher: number;
  /** All of these that lie on the device. */
  readonly total: number;
  /** Masters and moments on the host, where they are offloaded. */
  readonly host: number;
  /** When it is: "forward of block 3", "backward of the head", "optimiser". */
  readonly phase: string;
}

/**
 * What Gloo keeps of tensors that it gathers: each of its two threads one. With zero 3 parameters are gathered while gradients are
 * scattered, of which one more is there (measured with 256 to 2048 tokens: without it 7 % are missing where tokens are few).
 */
function glooTensors(zero: RankLayout['zero']): number {
  if (zero === 0) return 0;
  return zero === 3 ? 3 : 2;
}

/** Bytes of memory and of its parts. For what the process needs beside its tensors see process-memory.ts. */
export function estimatePeakMemory(model: PlannedModel, options: PeakMemoryOptions): PeakMemory {
  const { precision, lora, offloadOptimizer = false, layout = ALONE } = options;
  const { stage = wholeModel(model) } = options;
  const bytes = BYTES[precision];
  const adapters = lora === undefined ? 0 : adapterElements(model, lora, stage);
  const elements = stageElements(model, stage);
  const trained = lora === undefined ? elements : adapters;
  // Adapters are float32 beside weights of 16 bit, and need no masters.
  const adapterBytes = Math.max(bytes.compute, 4);
  const base = stageWeightBytes(model, stage, bytes.compute);
  const floats = base.floats + adapters * adapterBytes;
  const replicas = replicasOf(layout);
  // What other ranks have is there for a while, as `working`.
  const weights = (layout.zero === 3 ? floats / replicas : floats) + base.integers;
  const updated = layout.zero === 0 ? trained : trained / replicas;
  const masters = lora === undefined ? updated * bytes.master : 0;
  const moments = updated * (lora === undefined ? bytes.moments : 2 * adapterBytes);
  const state = masters + moments;
  const inputs = inputBytes(model, options, bytes);
  const teacher = options.teacher && teacherMemory(options.teacher, ownTokensOf(options));
  const largest = Math.max(...segmentsOf(stage).map((segment) => segmentElements(model, segment)));
  const buffers = glooTensors(layout.zero) * largest * bytes.compute;
  const fullest = phasesOf(stepShape(model, stage, options, bytes)).reduce((best, phase) =>
    sizeOf(phase) > sizeOf(best) ? phase : best,
  );
  const held = weights + inputs + (teacher?.held ?? 0);
  const total = held + buffers + (offloadOptimizer ? 0 : state) + sizeOf(fullest);
  const host = offloadOptimizer ? state : 0;
  const parts = { weights, inputs, teacher: teacher?.held ?? 0, host };
  const beginning = (options.beginningElements ?? 0) * bytes.compute + (teacher?.held ?? 0);
  if (beginning > total)
    return {
      ...parts,
      ...{ masters: 0, moments: 0, gradients: 0, activations: 0, inputs: 0, buffers: 0 },
      working: beginning - weights - parts.teacher,
      total: beginning,
      phase: 'the beginning, before the model is shared',
    };
  return {
    ...parts,
    masters,
    moments,
    gradients: fullest.gradients,
    activations: fullest.activations,
    working: fullest.working,
    buffers,
    total,
    phase: fullest.name,
  };
}

/** Elements of the two matrices of every adapter. @param stage whose blocks count. Default: all */
export function adapterElements(
  model: PlannedModel,
  { rank, adapts }: LoraPlan,
  stage: PlannedStage = wholeModel(model),
): number {
  return segmentsOf(stage)
    .flatMap((segment) => model.blocks[segment - 1] ?? [])
    .flatMap(blockLinears)
    .filter(({ path }) => adapts(path))
    .reduce((sum, { inFeatures, outFeatures }) => sum + rank * (inFeatures + outFeatures), 0);
}

/** Of a micro-batch, that this rank reads. */
function ownTokensOf({ length, microBatchSize, layout = ALONE }: PeakMemoryOptions): number {
  return microBatchSize * Math.ceil(length / layout.context);
}

function sizeOf({ gradients, activations, working }: StepPhase): number {
  return gradients + activations + working;
}

function stepShape(
  model: PlannedModel,
  stage: PlannedStage,
  options: PeakMemoryOptions,
  bytes: PrecisionBytes,
): StepShape {
  const {
    recompute,
    lora,
    accumulation = 1,
    copiesTransposed = false,
    emulatesBfloat16 = false,
    splitsLogits = false,
    teacher,
    layout = ALONE,
  } = options;
  const tokens = ownTokensOf(options);
  const rank = (linear: LinearShape): number => (lora?.adapts(linear.path) === true ? lora.rank : 0);
  const ownTokens = layout.sequence ? Math.ceil(tokens / layout.tensor) : tokens;
  const segmentOptions: SegmentOptions = {
    bytes,
    tokens,
    rank,
    trainedElements: (linear) =>
      lora === undefined ? linear.elements : rank(linear) * (linear.inFeatures + linear.outFeatures),
    trainsAll: lora === undefined,
    copiesTransposed,
    emulatesBfloat16,
    splitsLogits,
    distills: teacher !== undefined,
    isShared: layout.tensor > 1,
    ownTokens,
    context: layout.context,
  };
  const embedding = {
    ...{ kept: 0, forward: 0, backward: 0 },
    gradients: lora === undefined ? model.embeddingElements * bytes.compute : 0,
  };
  const elements = stageElements(model, stage);
  const widened =
    bytes.master > 0 ? 4 * Math.min(elements, Math.max(UPDATE_CHUNK_ELEMENTS, model.largest)) : 0;
  return {
    model,
    stage,
    layout,
    recompute,
    accumulation,
    segments: [
      embedding,
      ...model.blocks.map((block) => blockMemory(model, block, segmentOptions)),
      headMemory(model, segmentOptions),
    ],
    weights: Array.from(
      { length: model.blocks.length + 2 },
      (_, segment) => segmentElements(model, segment) * bytes.compute,
    ),
    boundary: ownTokens * model.hiddenSize * bytes.compute,
    rotary: 2 * options.length * model.headDim * bytes.compute,
    summedWidth: bytes.summedGradient / bytes.compute,
    update: lora === undefined ? widened : 0,
    teacher: teacher && teacherMemory(teacher, tokens).working,
  };
}

function wholeModel({ blocks }: PlannedModel): PlannedStage {
  return {
    stage: 0,
    stages: 1,
    chunks: [Array.from({ length: blocks.length + 2 }, (_, segment) => segment)],
  };
}

/** int32 and int64 ids, targets, masks; the rotary tables and the float64 angles that they are made from. */
function inputBytes(
  { headDim }: PlannedModel,
  { length, microBatchSize, accumulation = 1, layout = ALONE }: PeakMemoryOptions,
  { compute, wide }: PrecisionBytes,
): number {
  const perToken = 4 + 8 + 8 + 2 * wide;
  const rotary = length * headDim * (3 * 4 + 2 * (8 + 8 + compute));
  // A pipeline prepares all of a step before it begins.
  const microBatches = layout.pipeline > 1 ? accumulation : 1;
  return microBatches * microBatchSize * (length + 1) * perToken + rotary;
}
