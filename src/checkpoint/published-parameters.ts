/** Every parameter under its published name; those of LoRA adapters under PEFT's, without its prefix. */
import type { Module } from '../nn/index.js';
import type { Tensor } from '../tensor/index.js';
import { LORA_NAMES } from './adapters/adapter-names.js';
import type { NameTable } from './name-table.js';

export function publishedParameters(module: Module, names: NameTable): Map<string, Tensor> {
  return new Map(
    module.namedParameters().map(([path, parameter]) => [publishedName(names, path), parameter]),
  );
}

/** The published name of a parameter, given its own path. */
export function publishedName(names: NameTable, path: string): string {
  const [, layer, part] = /^(.*)\.(\w+)$/.exec(path) ?? [];
  if (layer === undefined || part === undefined || !isAdapterPart(part)) return names.toPublished(path);
  return `${publishedLayer(names, layer)}.${LORA_NAMES[part]}`;
}

function isAdapterPart(part: string): part is keyof typeof LORA_NAMES {
  return Object.hasOwn(LORA_NAMES, part);
}

/** The published name of a linear layer, given its own path. */
export function publishedLayer(names: NameTable, path: string): string {
  return names.toPublished(`${path}.weight`).replace(/\.weight$/, '');
}
