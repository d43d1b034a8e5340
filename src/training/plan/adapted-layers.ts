/** Layers that a LoRA's target modules select. */
import { type NameTable, publishedLayer } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import { GroupedLinear, namedLinears } from '../../nn/index.js';

/** As all-linear is spelt out: every name of a block has one. */
const EVERY_LAYER = '.';

/**
 * True for own paths whose published name contains one of the targets.
 * @throws InputError if one is in no name, or names experts, which get no adapters
 */
export function adaptedBy(
  model: CausalLm,
  names: NameTable,
  targets: readonly string[],
): (path: string) => boolean {
  const layers = [...namedLinears(model)].map(([path]) => publishedLayer(names, path));
  const experts = [...model.namedModules()]
    .filter(([, module]) => module instanceof GroupedLinear)
    .map(([path]) => publishedLayer(names, path));
  for (const target of targets) {
    const named = target === EVERY_LAYER ? undefined : experts.find((layer) => layer.includes(target));
    if (named !== undefined)
      throw new InputError(
        `target module "${target}": it names experts (${named}), which get no adapters; name the layers of attention, and an ` +
          'MLP that is no mixture in full (mlp.gate_proj), or all-linear: all layers but the experts and their routers.',
      );
  }
  const unknown = targets.find((part) => !layers.some((layer) => layer.includes(part)));
  if (unknown !== undefined)
    throw new InputError(
      `target module "${unknown}": no linear layer has it in its name; there are ` +
        `${[...new Set(layers.map((layer) => layer.split('.').at(-1)))].join(', ')}.`,
    );
  return (path) => targets.some((part) => publishedLayer(names, path).includes(part));
}
