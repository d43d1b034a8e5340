/** Finds NaN and infinite weights once a result shows that there are any; checking at load would read every byte. */
import { publishedParameters } from '../checkpoint/index.js';
import { InputError, NonFiniteError } from '../errors/index.js';
import { noGrad, scope, type Tensor } from '../tensor/index.js';
import type { LoadedModel } from './load-model.js';

/** @throws NonFiniteError if a logit is NaN or infinite */
export function checkFiniteLogits(logits: Tensor, { model }: LoadedModel): void {
  if (isFiniteTensor(logits)) return;
  throw new NonFiniteError(
    `the logits are NaN or infinite though all weights are finite: ${model.computeDType} is too narrow for this ` +
      'model; try --dtype bfloat16 or float32.',
  );
}

/**
 * Runs `body`; if it ends in a NonFiniteError and a weight is to blame, the message names it.
 * @param source where the weights come from
 */
export function reportNonFiniteWeights<Result>(
  { model, architecture }: LoadedModel,
  source: string,
  body: () => Result,
): Result {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    for (const [name, parameter] of publishedParameters(model, architecture.names))
      if (!isFiniteTensor(parameter))
        throw new InputError(
          `${source}: tensor "${name}" holds NaN or infinity; the weights are damaged: download or convert them ` +
            'again.',
        );
    throw error;
  }
}

function isFiniteTensor(tensor: Tensor): boolean {
  return noGrad(() => scope(() => tensor.isfinite().all().item() === 1));
}
