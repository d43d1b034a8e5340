/** Finds NaN and infinite weights once a result shows that there are any; checking at load would read every byte. */
import { type NameTable, publishedName } from '../checkpoint/index.js';
import { InputError, NonFiniteError } from '../errors/index.js';
import { type Linear, namedLinears } from '../nn/index.js';
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
    for (const [path, parameter] of model.namedParameters())
      if (!isFiniteTensor(parameter))
        throw new InputError(
          `${source}: tensor "${damagedName(path, parameter, architecture.names)}" holds NaN or infinity; the weights are ` +
            'damaged: download or convert them again.',
        );
    for (const [path, layer] of namedLinears(model))
      if (!isFiniteWeight(layer))
        throw new InputError(
          `${source}: the scales of the quantised weight "${publishedName(architecture.names, `${path}.weight`)}" hold NaN or ` +
            'infinity; the weights are damaged: download or quantise them again.',
        );
    throw error;
  }
}

/** As it is called in published files, the piece where they hold it in pieces. */
function damagedName(path: string, parameter: Tensor, names: NameTable): string {
  const nameOf = names.piecesOf(path);
  if (nameOf === undefined) return publishedName(names, path);
  const pieces = Array.from({ length: parameter.size(0) }, (_, index) => index);
  return nameOf(
    pieces.find((index) => !scope(() => isFiniteTensor(parameter.detach().select(0, index)))) ?? 0,
  );
}

function isFiniteWeight(layer: Linear): boolean {
  return noGrad(() => scope(() => isFiniteTensor(layer.dequantizedWeight())));
}

function isFiniteTensor(tensor: Tensor): boolean {
  return noGrad(() => scope(() => tensor.isfinite().all().item() === 1));
}
