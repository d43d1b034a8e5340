/** Finds damaged weights once a result shows that there are any; looking at every load would read every byte. */
import { InputError } from '../errors/index.js';
import { noGrad, scope, type Tensor } from '../tensor/index.js';
import type { LoadedModel } from './load-model.js';

/**
 * Does nothing while `logits` are finite.
 * @throws InputError naming the first weight that holds NaN or infinity, or the dtype if none does
 */
export function checkFiniteLogits(
  logits: Tensor,
  { model, architecture }: LoadedModel,
  source: string,
): void {
  noGrad(() =>
    scope(() => {
      const finite = (tensor: Tensor): boolean => tensor.isfinite().all().item() === 1;
      if (finite(logits)) return;
      for (const [own, parameter] of model.namedParameters())
        if (!finite(parameter))
          throw new InputError(
            `${source}: tensor "${architecture.names.toPublished(own)}" holds NaN or infinity; the weights are ` +
              'damaged: download or convert them again.',
          );
      throw new InputError(
        `${source}: the logits are NaN or infinite though all weights are finite: ${model.computeDType} is too ` +
          'narrow for this model; try --dtype bfloat16 or float32.',
      );
    }),
  );
}
