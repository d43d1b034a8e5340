/** The part of a model that one stage of a pipeline computes: which of its segments, in how many pieces, and what they weigh. */
import type { HeldIntegers } from '../../checkpoint/index.js';
import { cutIntoChunks } from '../parallel/cut-into-chunks.js';
import type { PlannedModel } from './planned-model.js';

export interface PlannedStage {
  /** Of how many. */
  readonly stage: number;
  readonly stages: number;
  /** The segments of each piece, rising: 0 is the embedding, then the blocks, behind them the head. */
  readonly chunks: readonly (readonly number[])[];
}

/** @param chunksPerStage pieces that each stage has, a `stages`-th of the model apart */
export function plannedStages(blocks: number, stages: number, chunksPerStage = 1): PlannedStage[] {
  const ranges = cutIntoChunks(blocks, stages * chunksPerStage);
  return Array.from({ length: stages }, (_, stage) => ({
    stage,
    stages,
    chunks: ranges
      .filter((_range, chunk) => chunk % stages === stage)
      .map(({ start, end }) => Array.from({ length: end - start }, (_unused, index) => start + index)),
  }));
}

export function segmentsOf({ chunks }: PlannedStage): number[] {
  return chunks.flat();
}

/** Elements of the parameters that a segment reads; both ends read a tied table. */
export function segmentElements(
  { blocks, embeddingElements, elements, tied }: PlannedModel,
  segment: number,
): number {
  if (segment === 0) return embeddingElements;
  const block = blocks[segment - 1];
  if (block !== undefined) return block.elements;
  const ends = elements - blocks.reduce((sum, { elements: own }) => sum + own, 0);
  return tied ? ends : ends - embeddingElements;
}

/** Elements that a stage has: a tied table once, also where it computes with it at both ends. */
export function stageElements(model: PlannedModel, stage: PlannedStage): number {
  const segments = segmentsOf(stage);
  const all = segments.reduce((sum, segment) => sum + segmentElements(model, segment), 0);
  const hasBothEnds = segments.includes(0) && segments.includes(model.blocks.length + 1);
  return model.tied && hasBothEnds ? all - model.embeddingElements : all;
}

/** Bytes of the same: of those that are floats, and of those that stay integers. @param width of a float */
export function stageWeightBytes(
  model: PlannedModel,
  stage: PlannedStage,
  width: number,
): { readonly floats: number; readonly integers: number } {
  const segments = segmentsOf(stage);
  const head = model.blocks.length + 1;
  const ends = [
    ...(segments.includes(0) ? [model.integerEnds?.embedding] : []),
    // A tied table is there once.
    ...(segments.includes(head) && !(model.tied && segments.includes(0)) ? [model.integerEnds?.head] : []),
  ];
  const layers = segments.flatMap((segment) => model.blocks[segment - 1]?.integers ?? []);
  const integers = [...layers, ...ends.flatMap((end) => end ?? [])];
  const sum = (of: (one: HeldIntegers) => number): number =>
    integers.reduce((total, one) => total + of(one), 0);
  return {
    floats: (stageElements(model, stage) - sum(({ elements }) => elements)) * width,
    integers: sum(({ bytes }) => bytes),
  };
}

/** "embedding, blocks 1-3, 7-9, head". */
export function stageText({ blocks }: PlannedModel, { chunks }: PlannedStage): string {
  const head = blocks.length + 1;
  const ranges = chunks.flatMap((segments) => {
    const own = segments.filter((segment) => segment > 0 && segment < head);
    const [first] = own;
    const last = own.at(-1);
    if (first === undefined || last === undefined) return [];
    return [first === last ? String(first) : `${first}-${last}`];
  });
  const has = (segment: number): boolean => chunks.some((segments) => segments.includes(segment));
  return [
    ...(has(0) ? ['embedding'] : []),
    ...(ranges.length === 0 ? [] : [`blocks ${ranges.join(', ')}`]),
    ...(has(head) ? ['head'] : []),
  ].join(', ');
}
