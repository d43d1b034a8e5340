/** Gradients as functions: whether graphs are recorded, and the gradient of outputs by inputs. */
import { native } from './native.js';
import { Tensor } from './tensor.js';

/** Runs `body` without recording graphs. */
export function noGrad<Result>(body: () => Result): Result {
  return withGrad(false, body);
}

/** Runs `body` recording graphs, inside a `noGrad` too. */
export function enableGrad<Result>(body: () => Result): Result {
  return withGrad(true, body);
}

function withGrad<Result>(enabled: boolean, body: () => Result): Result {
  const before = native().setGradEnabled(enabled);
  try {
    return body();
  } finally {
    native().setGradEnabled(before);
  }
}

export interface GradOptions {
  /** One for each output; may be left out for outputs of one element. */
  readonly gradOutputs?: readonly Tensor[];
  /** Keep the graph for another run. Default: as createGraph, whose graph leads through this one. */
  readonly retainGraph?: boolean;
  /** Record the gradient's own graph. Default false. */
  readonly createGraph?: boolean;
}

/** The gradient of the outputs by each input; null where no output depends on it. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  { gradOutputs, createGraph = false, retainGraph = createGraph }: GradOptions = {},
): (Tensor | null)[] {
  const handles = (tensors: readonly Tensor[]): number[] => tensors.map((tensor) => tensor.handle);
  return native()
    .grad(
      handles(outputs),
      handles(inputs),
      gradOutputs === undefined ? null : handles(gradOutputs),
      retainGraph,
      createGraph,
    )
    .map((handle) => (handle === null ? null : new Tensor(handle)));
}
