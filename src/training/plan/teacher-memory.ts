/** What the teacher of a distillation takes: its weights, its forward pass without a graph, and what its head is given. */
import type { PlannedModel } from './planned-model.js';
import { blockMemory } from './segment-memory.js';

export interface PlannedTeacher {
  readonly model: PlannedModel;
  readonly weightBytes: number;
}

/** Bytes. @param tokens of a micro-batch */
export function teacherMemory(
  { model, weightBytes }: PlannedTeacher,
  tokens: number,
): {
  /** From its forward pass to the end of the student's. */
  readonly held: number;
  /** Of its forward pass, beside `held`. */
  readonly working: number;
} {
  const compute = weightBytes / model.elements;
  const states = tokens * model.hiddenSize * compute;
  const options = {
    bytes: { compute, wide: Math.max(compute, 4), summedGradient: compute, moments: 0, master: 0 },
    tokens,
    trainedElements: () => 0,
    rank: () => 0,
    trainsAll: false,
    copiesTransposed: false,
    emulatesBfloat16: false,
  };
  return {
    held: weightBytes + states,
    working: Math.max(...model.blocks.map((block) => blockMemory(model, block, options).forward)) + states,
  };
}
