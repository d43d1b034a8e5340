/** Halves of adapters among a checkpoint's tensors: `LAYER.loraA` [R, I] and `LAYER.loraB` [O, R] by our own path. */
import type { TensorView } from '../../formats/index.js';

export interface AdapterHalf {
  /** Our path of the adapted layer. */
  readonly layer: string;
  readonly part: 'loraA' | 'loraB';
}

/** undefined for the path of another tensor. */
export function adapterHalf(path: string): AdapterHalf | undefined {
  const [, layer, part] = /^(.*)\.lora([AB])$/.exec(path) ?? [];
  if (layer === undefined) return undefined;
  return { layer, part: part === 'A' ? 'loraA' : 'loraB' };
}

export function isAdapterHalf(path: string): boolean {
  return adapterHalf(path) !== undefined;
}

/** Tensors without the halves. */
export function withoutHalves<Value = TensorView>(tensors: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...tensors].filter(([path]) => !isAdapterHalf(path)));
}

/** The halves alone. */
export function onlyHalves<Value = TensorView>(tensors: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...tensors].filter(([path]) => isAdapterHalf(path)));
}
