/** Layers that a LoRA's target modules select. */
import { type NameTable, publishedLayer } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import { namedLinears } from '../../nn/index.js';

/** True for own paths whose published name contains one of the targets. @throws InputError if one is in no name */
export function adaptedBy(
  model: CausalLm,
  names: NameTable,
  targets: readonly string[],
): (path: string) => boolean {
  const layers = [...namedLinears(model)].map(([path]) => publishedLayer(names, path));
  const unknown = targets.find((part) => !layers.some((layer) => layer.includes(part)));
  if (unknown !== undefined)
    throw new InputError(
      `target module "${unknown}": no linear layer has it in its name; there are ` +
        `${[...new Set(layers.map((layer) => layer.split('.').at(-1)))].join(', ')}.`,
    );
  return (path) => targets.some((part) => publishedLayer(names, path).includes(part));
}
