/** The ranks of a run on the axes of a mesh: pipeline, data, context, tensor; neighbours differ in the last one. */
import type { ParallelConfig } from './parallel-config.js';

export const AXES = ['pipeline', 'data', 'context', 'tensor'] as const;
export type Axis = (typeof AXES)[number];

export interface MeshPlace {
  /** Ranks along each axis. */
  readonly sizes: Readonly<Record<Axis, number>>;
  /** Of this rank. */
  readonly at: Readonly<Record<Axis, number>>;
}

/** @param size of the world, a multiple of the axes that the configuration says */
export function meshPlace(
  rank: number,
  size: number,
  { pipeline, context, tensor }: ParallelConfig,
): MeshPlace {
  const sizes = { pipeline, data: size / (pipeline * context * tensor), context, tensor };
  const at = { pipeline: 0, data: 0, context: 0, tensor: 0 };
  let left = rank;
  for (const axis of [...AXES].reverse()) {
    at[axis] = left % sizes[axis];
    left = Math.floor(left / sizes[axis]);
  }
  return { sizes, at };
}

/** Those that differ from this rank on these axes alone: their number, this rank's among them, and what they have in common. */
export function alongAxes(
  { sizes, at }: MeshPlace,
  axes: readonly Axis[],
): { readonly rank: number; readonly size: number; readonly name: string } {
  let [rank, size] = [0, 1];
  for (const axis of AXES.filter((one) => axes.includes(one))) {
    rank = rank * sizes[axis] + at[axis];
    size *= sizes[axis];
  }
  const others = AXES.filter((one) => !axes.includes(one)).map((axis) => at[axis]);
  return { rank, size, name: `${axes.join('+')}-${others.join('.')}` };
}
