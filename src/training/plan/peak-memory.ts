/** Peak memory of a training run, from its shapes: a walk through one step, segment by segment. */
import type { Recompute } from '../step/segments.js';
import { BYTES, type Precision, type PrecisionBytes, UPDATE_CHUNK_ELEMENTS } from './byte-table.js';
import { blockLinears, type LinearShape, type PlannedModel } from './planned-model.js';
import { ALONE, type RankLayout, ranksOf } from './rank-layout.js';
import { blockMemory, headMemory, type SegmentMemory, type SegmentOptions } from './segment-memory.js';
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

/** Of libtorch's groups. */
const GLOO_THREADS = 2;

/** One phase of a step, without what is always there. */
interface StepPhase {
  readonly name: string;
  readonly gradients: number;
  readonly activations: number;
  readonly working: number;
}

/** Bytes of memory and of its parts. For what the process needs beside its tensors see process-memory.ts. */
export function estimatePeakMemory(model: PlannedModel, options: PeakMemoryOptions): PeakMemory {
  const { precision, lora, offloadOptimizer = false, layout = ALONE } = options;
  const bytes = BYTES[precision];
  const adapters = lora === undefined ? 0 : adapterElements(model, lora);
  const trained = lora === undefined ? model.elements : adapters;
  // Adapters are float32 beside weights of 16 bit, and need no masters.
  const adapterBytes = Math.max(bytes.compute, 4);
  const whole = model.elements * bytes.compute + adapters * adapterBytes;
  // What other ranks have is there for a while, as `working`.
  const weights = layout.zero === 3 ? whole / layout.data : whole;
  const updated = layout.zero === 0 ? trained : trained / layout.data;
  const masters = lora === undefined ? updated * bytes.master : 0;
  const moments = updated * (lora === undefined ? bytes.moments : 2 * adapterBytes);
  const state = masters + moments;
  const inputs = inputBytes(model, options, bytes);
  const teacher = options.teacher && teacherMemory(options.teacher, tokensOf(options));
  const buffers = layout.zero === 0 ? 0 : GLOO_THREADS * Math.max(...segmentsOf(model)) * bytes.compute;
  const fullest = phasesOf(model, options, bytes).reduce((best, phase) =>
    sizeOf(phase) > sizeOf(best) ? phase : best,
  );
  return {
    weights,
    masters,
    moments,
    gradients: fullest.gradients,
    activations: fullest.activations,
    working: fullest.working,
    inputs,
    buffers,
    teacher: teacher?.held ?? 0,
    total:
      weights + buffers + (offloadOptimizer ? 0 : state) + inputs + (teacher?.held ?? 0) + sizeOf(fullest),
    host: offloadOptimizer ? state : 0,
    phase: fullest.name,
  };
}

/** Elements of the two matrices of every adapter. */
export function adapterElements(model: PlannedModel, { rank, adapts }: LoraPlan): number {
  return model.blocks
    .flatMap(blockLinears)
    .filter(({ path }) => adapts(path))
    .reduce((sum, { inFeatures, outFeatures }) => sum + rank * (inFeatures + outFeatures), 0);
}

function tokensOf({ length, microBatchSize }: PeakMemoryOptions): number {
  return length * microBatchSize;
}

function sizeOf({ gradients, activations, working }: StepPhase): number {
  return gradients + activations + working;
}

function phasesOf(model: PlannedModel, options: PeakMemoryOptions, bytes: PrecisionBytes): StepPhase[] {
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
  const tokens = tokensOf(options);
  const rank = (linear: LinearShape): number => (lora?.adapts(linear.path) === true ? lora.rank : 0);
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
    ownTokens: layout.sequence ? Math.ceil(tokens / layout.tensor) : tokens,
  };
  const blocks = model.blocks.map((block) => blockMemory(model, block, segmentOptions));
  const head = headMemory(model, segmentOptions);
  const boundary = (segmentOptions.ownTokens ?? tokens) * model.hiddenSize * bytes.compute;
  const isAgain = (layer: number): boolean => isRecomputed(recompute, layer);
  const sum = (part: readonly SegmentMemory[], of: (segment: SegmentMemory) => number): number =>
    part.reduce((total, segment) => total + of(segment), 0);

  // From the second micro-batch on, the sums of all gradients are there; each segment's own are added to them.
  const embeddingGradient = lora === undefined ? model.embeddingElements * bytes.compute : 0;
  const all =
    sum(blocks, ({ gradients }) => gradients) + head.gradients + (model.tied ? 0 : embeddingGradient);
  const isRank = ranksOf(layout) > 1;
  const summedWidth = isRank || accumulation > 1 ? bytes.summedGradient / bytes.compute : 1;
  /** What a rank keeps of a sum over the ranks. */
  const share = layout.zero === 0 ? 1 : 1 / layout.data;
  const isSummedHere = accumulation > 1 && layout.zero < 2;
  const isThere = accumulation > 1;
  const summed = isThere ? all * summedWidth * (isSummedHere ? 1 : share) : 0;
  // Gloo scatters a sum out of a copy of what is summed.
  const copies = layout.zero === 0 || !isRank ? 0 : 1;
  /** Of a segment's gradients: the sum of them that is on its way. */
  const sent = 2 * copies * summedWidth;
  const behind = (layer: number): number => {
    const last = (blocks[layer + 1] ?? head).gradients * sent;
    if (isThere) return summed + last;
    const done = head.gradients + sum(blocks.slice(layer + 1), ({ gradients }) => gradients);
    return done * summedWidth * share + last;
  };
  /** Parameters of a segment that other ranks keep, and of the one that is gathered meanwhile. */
  const gathered = (segment: number, next: number): number =>
    layout.zero === 3 ? (segmentWeights(model, segment) + segmentWeights(model, next)) * bytes.compute : 0;

  const phases: StepPhase[] = [];
  if (teacher !== undefined)
    phases.push({
      name: 'forward of the teacher',
      gradients: summed,
      activations: 0,
      working: teacherMemory(teacher, tokens).working,
    });
  let kept = boundary; // What the embedding gives.
  for (const [layer, block] of blocks.entries()) {
    phases.push({
      name: `forward of block ${layer + 1}`,
      gradients: summed,
      activations: kept,
      working: block.forward + gathered(layer, layer + 1),
    });
    kept += isAgain(layer) ? boundary : block.kept;
  }
  phases.push(
    {
      name: 'forward of the head',
      gradients: summed,
      activations: kept,
      working: head.forward + gathered(blocks.length, blocks.length - 1),
    },
    {
      name: 'backward of the head',
      gradients: summed,
      activations: kept,
      working: head.kept + head.backward + gathered(blocks.length, blocks.length - 1),
    },
  );
  for (const [layer, block] of [...blocks.entries()].reverse()) {
    // The gradient of its output is there; the output itself is not kept for a block that is computed again.
    if (isAgain(layer)) {
      kept -= boundary;
      phases.push({
        name: `second forward of block ${layer + 1}`,
        gradients: behind(layer),
        activations: kept,
        working: block.forward + boundary + gathered(layer, layer - 1),
      });
    } else kept -= block.kept;
    phases.push({
      name: `backward of block ${layer + 1}`,
      gradients: behind(layer),
      activations: kept,
      working: block.kept + block.backward + boundary + gathered(layer, layer - 1),
    });
    if (isRank)
      phases.push({
        name: `sum of the gradients of block ${layer + 1}`,
        gradients: behind(layer) + (2 + copies) * block.gradients * summedWidth,
        activations: kept,
        working: 2 * boundary + gathered(layer, layer - 1),
      });
  }
  phases.push({
    name: 'backward of the embedding',
    gradients: behind(-1),
    activations: 2 * boundary,
    working: embeddingGradient,
  });
  const widened =
    bytes.master > 0 ? 4 * Math.min(model.elements, Math.max(UPDATE_CHUNK_ELEMENTS, model.largest)) : 0;
  phases.push({
    name: 'optimiser',
    gradients: isThere ? summed : all * summedWidth * share,
    activations: 0,
    working: lora === undefined ? widened : 0,
  });
  return phases;
}

/** Elements of blocks, and at both ends of embedding and head. */
function segmentsOf(model: PlannedModel): number[] {
  return Array.from({ length: model.blocks.length + 2 }, (_, index) => segmentWeights(model, index - 1));
}

/** @param segment a block; -1: the embedding; behind the last block: the head */
function segmentWeights(
  { blocks, embeddingElements, elements, tied }: PlannedModel,
  segment: number,
): number {
  if (segment < 0) return embeddingElements;
  const ends = elements - blocks.reduce((sum, block) => sum + block.elements, 0);
  return blocks[segment]?.elements ?? (tied ? ends : ends - embeddingElements);
}

function isRecomputed(recompute: Recompute, layer: number): boolean {
  if (recompute === 'none') return false;
  if (recompute === 'full') return true;
  return 'every' in recompute ? layer % recompute.every === 0 : recompute.layers.includes(layer);
}

/** int32 and int64 ids, targets, masks; the rotary tables and the float64 angles that they are made from. */
function inputBytes(
  { headDim }: PlannedModel,
  { length, microBatchSize }: PeakMemoryOptions,
  { compute, wide }: PrecisionBytes,
): number {
  const perToken = 4 + 8 + 8 + 2 * wide;
  const rotary = length * headDim * (3 * 4 + 2 * (8 + 8 + compute));
  return microBatchSize * (length + 1) * perToken + rotary;
}
