/** What may happen around the computing of a segment; `accumulateGradients` calls it and knows none of it. */
import type { Tensor } from '../../tensor/index.js';

/** A segment on its way through one micro-batch. */
export interface SegmentRun {
  /** Of the model's segment: embedding, layers.{i} or head. */
  readonly name: string;
  readonly index: number;
  /** Trained parameters by own path. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Only its input is kept, and its graph is built in the backward pass. */
  readonly isRecomputed: boolean;
  /** No graph holds its input, which may lie elsewhere from its forward to its backward pass. */
  readonly hasFreeInput: boolean;
  /** The boundary before it; undefined for the first segment, which reads ids. */
  input: Tensor | undefined;
  /** undefined before the forward pass, and from then to the backward pass where it is recomputed and not the last. */
  output: Tensor | undefined;
}

/** Each is called inside of the scope of the micro-batch. */
export interface SegmentSteps {
  /** Its input is there. */
  beforeForward?(segment: SegmentRun): void;
  /** Its output is there. */
  afterForward?(segment: SegmentRun): void;
  /** Before it is recomputed, where it is. Not called for segments before the first that is trained. */
  beforeBackward?(segment: SegmentRun): void;
  /** Its gradients are in the store; input and output are freed. */
  afterBackward?(segment: SegmentRun): void;
}
