/** Adds adapters to a model, and merges or removes them. */
import { InputError } from '../errors/index.js';
import { DenseLinear, type Module, namedLinears } from '../nn/index.js';
import { scope } from '../tensor/index.js';
import { LoraLinear } from './lora-linear.js';
import type { LoraOptions } from './lora-options.js';

/**
 * Wraps every linear layer whose own path `matches`; gives them by path.
 * @param options of all of them, or of each by its path
 * @throws InputError if there is none
 */
export function applyLora(
  model: Module,
  matches: (path: string) => boolean,
  options: LoraOptions | ((path: string) => LoraOptions),
): Map<string, LoraLinear> {
  const adapted = new Map<string, LoraLinear>();
  const already = loraLayers(model);
  for (const [path, base] of [...namedLinears(model)]) {
    if (already.has(path) || !matches(path)) continue;
    const layer = new LoraLinear(base, typeof options === 'function' ? options(path) : options);
    model.replaceModule(path, layer);
    adapted.set(path, layer);
  }
  if (adapted.size === 0)
    throw new InputError('LoRA: no linear layer of the model matches the target modules.');
  return adapted;
}

/** Runs `body` on the model as it is without its adapters. */
export function withoutAdapters<Result>(model: Module, body: () => Result): Result {
  const layers = [...loraLayers(model).values()];
  for (const layer of layers) layer.isEnabled = false;
  try {
    return body();
  } finally {
    for (const layer of layers) layer.isEnabled = true;
  }
}

/** The adapted layers of a model, by path. */
export function loraLayers(model: Module): Map<string, LoraLinear> {
  const layers = new Map<string, LoraLinear>();
  for (const [path, module] of model.namedModules())
    if (module instanceof LoraLinear) layers.set(path, module);
  return layers;
}

/**
 * Works every adapter into its weight and puts plain linear layers in their places, in place of quantised ones too.
 * @throws InputError for an adapter with a bias on a layer that has none; nothing is merged then
 */
export function mergeLora(model: Module): void {
  for (const [path, { loraBias, bias }] of loraLayers(model))
    if (loraBias !== undefined && bias === undefined)
      throw new InputError(
        `LoRA: the adapter has a bias for ${path}, which has none in this model: it cannot be merged, only used beside it.`,
      );
  for (const [path, layer] of loraLayers(model)) {
    const { bias, layout } = layer;
    const plain = new DenseLinear(layer.inFeatures, layer.outFeatures, { layout, bias: bias !== undefined });
    scope(() => {
      plain.assign('weight', layer.mergedWeight());
      const merged = layer.mergedBias();
      if (merged !== undefined) plain.assign('bias', merged === bias ? bias.detach() : merged); // the same memory
    });
    model.replaceModule(path, plain);
    layer.dispose();
  }
}
