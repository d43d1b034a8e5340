/** Integers are always kept as [O, I]; a model may hold some of its weights as [I, O]. */
import { transpose } from '../../formats/index.js';
import { type Module, namedLinears } from '../../nn/index.js';
import type { ModelTensors } from '../model-tensors.js';

/** Weights of integers as `module` holds them; what their files keep stays told of. */
export function turnIntegers(model: ModelTensors, module: Module): ModelTensors {
  const weights = new Map(model.weights);
  for (const [path, { layout }] of namedLinears(module)) {
    const view = weights.get(`${path}.weight`);
    if (layout === 'in-out' && view?.integers !== undefined)
      weights.set(`${path}.weight`, { ...transpose(view), source: view.source, integers: view.integers });
  }
  return { ...model, weights };
}
