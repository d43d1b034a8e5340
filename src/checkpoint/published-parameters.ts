/** Every parameter under its published name; those of LoRA adapters under PEFT's, without its prefix. */
import type { Module } from '../nn/index.js';
import { scope, type Tensor } from '../tensor/index.js';
import { LORA_NAMES } from './adapters/adapter-names.js';
import type { NameTable } from './name-table.js';

/** All of a module by published name; a parameter that files hold piece by piece under the name of the whole. */
export function publishedParameters(module: Module, names: NameTable): Map<string, Tensor> {
  return new Map(
    module.namedParameters().map(([path, parameter]) => [publishedName(names, path), parameter]),
  );
}

/** What published files hold under one name: a parameter, or an index of its first dimension. */
export interface PublishedTensor {
  readonly name: string;
  /** Own path of the parameter. */
  readonly path: string;
  readonly parameter: Tensor;
  /** undefined: the whole. */
  readonly piece: number | undefined;
  readonly shape: readonly number[];
}

/**
 * What files hold of parameters, in their order.
 * @param parameters by own path @param wholeShapeOf where this process has parts of them. Default: their own shape
 */
export function publishedTensors(
  parameters: Iterable<readonly [path: string, parameter: Tensor]>,
  names: NameTable,
  wholeShapeOf: (path: string, parameter: Tensor) => readonly number[] = (_, { shape }) => shape,
): PublishedTensor[] {
  return [...parameters].flatMap(([path, parameter]): PublishedTensor[] => {
    const nameOf = names.piecesOf(path);
    const shape = wholeShapeOf(path, parameter);
    if (nameOf === undefined)
      return [{ name: publishedName(names, path), path, parameter, piece: undefined, shape }];
    const [count = 0, ...rest] = shape;
    return Array.from({ length: count }, (_, piece) => ({
      name: nameOf(piece),
      path,
      parameter,
      piece,
      shape: rest,
    }));
  });
}

/** The first of its elements in the parameter, counted row by row. */
export function pieceStart({ piece = 0, shape }: PublishedTensor): number {
  return piece * shape.reduce((product, size) => product * size, 1);
}

/** The same memory; call inside a scope. */
export function pieceOf({ parameter, piece }: PublishedTensor): Tensor {
  return piece === undefined ? parameter : parameter.detach().select(0, piece);
}

export function publishedBytes(tensor: PublishedTensor): Uint8Array {
  return scope(() => pieceOf(tensor).toBytes());
}

/** The published name of a parameter, given its own path; of one that files hold piece by piece, that of the whole. */
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
