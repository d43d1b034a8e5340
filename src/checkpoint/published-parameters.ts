/** Every parameter under its published name; those of LoRA adapters under PEFT's, without its prefix. */
import type { Module } from '../nn/index.js';
import type { Tensor } from '../tensor/index.js';
import type { NameTable } from './name-table.js';

/** How PEFT calls the two matrices of an adapted layer, behind the layer's name. */
export const LORA_NAMES = { loraA: 'lora_A.weight', loraB: 'lora_B.weight' } as const;

export function publishedParameters(module: Module, names: NameTable): Map<string, Tensor> {
  return new Map(
    module.namedParameters().map(([own, parameter]) => {
      const [, layer, part] = /^(.*)\.(loraA|loraB)$/.exec(own) ?? [];
      if (layer === undefined || (part !== 'loraA' && part !== 'loraB'))
        return [names.toPublished(own), parameter];
      return [`${publishedLayer(names, layer)}.${LORA_NAMES[part]}`, parameter];
    }),
  );
}

/** The published name of a linear layer, given its own path. */
export function publishedLayer(names: NameTable, own: string): string {
  return names.toPublished(`${own}.weight`).replace(/\.weight$/, '');
}
