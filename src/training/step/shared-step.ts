/** How the ranks of a run share each step; a run of one process has none of it. `Trainer` knows this and no collective. */
import type { ElementRange } from '../../checkpoint/index.js';
import type { CausalLm } from '../../models/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { MetricSum } from '../objective/objective.js';
import type { Gradients } from './gradient-store.js';
import type { Pipeline } from './pipeline.js';
import type { SegmentSteps } from './segment-steps.js';

export interface SharedStep {
  /** Among those that have rows of their own. */
  readonly rank: number;
  readonly ranks: number;
  /** Ranks that compute on the same rows, and find the same loss. */
  readonly ranksOfRows: number;
  /** Summed over the ranks once `endMicroBatches` was called. */
  readonly gradients: Gradients;
  readonly segmentSteps: SegmentSteps;
  /** The stages of the model that lie on other ranks; undefined: this rank has all of it. */
  readonly pipeline?: Pipeline | undefined;
  /** What this rank updates of a parameter: all of it, a piece [n], or nothing. It stays the callee's. */
  updatedPart(path: string): Tensor | undefined;
  /** Where in the whole parameter the elements of that piece are, in their order. */
  rangesOf(path: string): readonly ElementRange[];
  /** Of the whole parameter. */
  wholeShape(path: string): readonly number[];
  /** What of a whole tensor in the shape of the parameter is at the place of `updatedPart`, in its shape. */
  partOf(path: string, whole: Tensor): Tensor;
  /** The same, where every element is one rank's alone. */
  ownPart(path: string): Tensor | undefined;
  /** The numbers of every rank that has rows of its own, by rank. */
  gatherNumbers(values: readonly number[]): number[][];
  /** Over the ranks that have the other stages of the model. */
  sumOverStages(value: number): number;
  /** Of all rows: on the other stages there are none. */
  gatherMetrics(sums: readonly MetricSum[]): readonly (readonly MetricSum[])[];
  /** @param isLast of the step */
  beginMicroBatch(isLast: boolean): void;
  endMicroBatches(): void;
  /** Every rank has updated its part. */
  afterUpdate(): void;
  /** New values of a whole parameter, or of an index of its first dimension, which begins at the element `start`. */
  writeParameter(path: string, values: Tensor, start: number): void;
  /** Runs something that reads the whole model. */
  withWholeModel<Result>(body: () => Result): Result;
  /** The same of something that takes turns with others. */
  whileWholeModel<Result>(body: () => Promise<Result>): Promise<Result>;
  /**
   * Leaves the model whole, on the first rank at least.
   * @param isThrough false: this rank has failed, and nothing is exchanged any more: others may still wait for what it will not send
   */
  dispose(isThrough: boolean): void;
}

/** @param isWide sum gradients of 16 bit in float32 */
export type ShareStep = (
  model: CausalLm,
  parameters: ReadonlyMap<string, Tensor>,
  isWide: boolean,
) => SharedStep;
