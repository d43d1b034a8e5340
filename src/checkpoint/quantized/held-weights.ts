/** How the weights of files will lie in memory, of which hardly any is read: in which dtype, and which of them stay integers. */
import { type IntegerWeight, type TensorView, viewBytes } from '../../formats/index.js';
import { Embedding, type Module, namedLinears } from '../../nn/index.js';
import { IntegerEmbedding, IntegerLinear } from '../../quantization/index.js';
import { type FloatDType, isFloatDType } from '../../tensor/index.js';
import { openModelTensors } from '../open-model-tensors.js';
import { ParameterReader } from '../parameter-reader.js';
import type { WeightTables } from '../weight-tables.js';
import { keepIntegers } from './keep-integers.js';
import { turnIntegers } from './turn-integers.js';

/** A matrix that stays integers in memory, scales and zero points with it. */
export interface HeldIntegers {
  readonly bits: 4 | 8;
  readonly elements: number;
  readonly bytes: number;
}

/** What stays integers, by own path of its layer. */
export type IntegerLayers = ReadonlyMap<string, HeldIntegers>;

export interface HeldWeights {
  /** Of those that are floats. */
  readonly dtype: FloatDType;
  readonly integers: IntegerLayers;
  /** Bytes of files that lie in memory while others are made of them: those that are cast. */
  readonly castBytes: number;
}

/** Inputs are decoded so many at a time: rows are padded to whole blocks. */
const BLOCK = 32;

export interface IntegerSize {
  readonly bits: 4 | 8;
  /** Inputs that share a scale. */
  readonly groupSize: number;
  /** Bytes of a scale. */
  readonly scaleBytes: 2 | 4;
  /** Inputs lie in an order of their own (act-order). */
  readonly hasOrder: boolean;
}

/** Bytes that a matrix takes as `IntegerLinear` has it. */
export function heldIntegers(
  [outFeatures, inFeatures]: readonly [number, number],
  { bits, groupSize, scaleBytes, hasOrder }: IntegerSize,
): HeldIntegers {
  const padded = Math.ceil(inFeatures / BLOCK) * BLOCK;
  const groups = Math.ceil(inFeatures / groupSize);
  const bytes =
    outFeatures * ((padded * bits) / 8 + groups * (scaleBytes + 1)) + (hasOrder ? 8 * inFeatures : 0);
  return { bits, elements: outFeatures * inFeatures, bytes };
}

/**
 * @param module of the shapes of `path`'s model, without memory; it is used up
 * @param dtype that its floats are cast to. Default: that of the files
 * @throws InputError for files that are not a model's
 */
export function heldWeights(
  module: Module,
  tables: WeightTables,
  path: string,
  dtype?: FloatDType,
): HeldWeights {
  const shapes = new Map(module.namedParameters().map(([own, { shape }]) => [own, shape]));
  const model = turnIntegers(openModelTensors(path, tables, { shapes }), module);
  const views = new Map([...model.weights].filter(([own]) => shapes.has(own)));
  const integers = integersOf(module, views);
  const floats = [...views].flatMap(([own, view]) =>
    integers.has(own.replace(/\.weight$/, '')) ? [] : [view],
  );
  const stored = dtype ?? (model.dtype !== undefined && isFloatDType(model.dtype) ? model.dtype : undefined);
  const found = floats.map((view) => view.dtype).find(isFloatDType) ?? 'float32';
  const held = stored ?? found;
  const castBytes = floats
    .filter((view) => view.dtype !== held && isMapped(view))
    .reduce((sum, view) => sum + viewBytes(view), 0);
  return { dtype: held, integers, castBytes };
}

/** In one piece of a file, as it is. */
function isMapped(view: TensorView): boolean {
  if (view.isInMemory === true || view.stream !== undefined || view.integers !== undefined) return false;
  const [first, second] = view.locate(0, viewBytes(view));
  return first !== undefined && second === undefined && first.content === undefined;
}

interface IntegerSource {
  readonly path: string;
  readonly shape: readonly [number, number];
  readonly view: TensorView;
  readonly integers: IntegerWeight;
}

/** Of each form of integers the smallest layer is read, which tells of all. */
function integersOf(module: Module, views: ReadonlyMap<string, TensorView>): IntegerLayers {
  const sources = [
    ...[...namedLinears(module)].flatMap(([path, { outFeatures, inFeatures }]) =>
      sourceOf(path, [outFeatures, inFeatures], views),
    ),
    ...[...module.namedModules()].flatMap(([path, table]) => {
      if (!(table instanceof Embedding)) return [];
      const [rows = 0, columns = 0] = table.weight.shape;
      return sourceOf(path, [rows, columns], views);
    }),
  ];
  const forms = new Map<string, IntegerSource[]>();
  for (const source of sources) {
    const { bits, groupCount } = source.integers;
    const key = `${bits} ${groupCount === 1 ? 'row' : source.shape[1] / groupCount}`;
    forms.set(key, [...(forms.get(key) ?? []), source]);
  }
  const held = new Map<string, HeldIntegers>();
  for (const members of forms.values()) {
    const size = sizeOf(module, members);
    if (size === undefined) continue;
    for (const { path, shape, integers } of members) {
      const groupSize = integers.groupCount === 1 ? shape[1] : size.groupSize;
      held.set(path, heldIntegers(shape, { ...size, groupSize }));
    }
  }
  return held;
}

function sourceOf(
  path: string,
  shape: readonly [number, number],
  views: ReadonlyMap<string, TensorView>,
): IntegerSource[] {
  const view = views.get(`${path}.weight`);
  return view?.integers === undefined ? [] : [{ path, shape, view, integers: view.integers }];
}

/** undefined: groups of this form become floats. */
function sizeOf(module: Module, members: readonly IntegerSource[]): IntegerSize | undefined {
  const [first, ...others] = members;
  if (first === undefined) return undefined;
  const area = ({ shape: [rows, columns] }: IntegerSource): number => rows * columns;
  const smallest = others.reduce((least, one) => (area(one) < area(least) ? one : least), first);
  const { path, view, shape, integers } = smallest;
  const reader = new ParameterReader();
  try {
    if (!keepIntegers(module, new Map([[`${path}.weight`, view]]), reader, {}).has(`${path}.weight`))
      return undefined;
  } finally {
    reader.dispose();
  }
  const layer = new Map(module.namedModules()).get(path);
  if (!(layer instanceof IntegerLinear || layer instanceof IntegerEmbedding)) return undefined;
  const size = {
    bits: integers.bits === 8 ? (8 as const) : (4 as const),
    groupSize: integers.groupCount === 1 ? shape[1] : Math.ceil(shape[1] / integers.groupCount),
  };
  const bytes = layer.weightBytes;
  const candidates = [2, 4].flatMap((scaleBytes) =>
    [false, true].map((hasOrder) => ({
      ...size,
      scaleBytes: scaleBytes === 2 ? (2 as const) : (4 as const),
      hasOrder,
    })),
  );
  layer.dispose();
  return candidates.find((candidate) => heldIntegers(shape, candidate).bytes === bytes);
}
