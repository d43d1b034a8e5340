/** What the translations of operators work with: names of values in the ONNX graph, sizes, types. */
import type { OnnxAttribute, OnnxType } from '../../formats/index.js';
import type { DType } from '../../tensor/index.js';
import { type Dimension, type DimensionSymbol, sameDimension, showDimension } from '../trace/dimension.js';
import type { TracedArgument, TracedCall, TracedValue } from '../trace/traced-graph.js';
import type { GraphBuilder } from './graph-builder.js';
import type { WeightStore } from './weight-store.js';

export const ints = (...value: readonly number[]): OnnxAttribute => ({ kind: 'ints', value });
export const int = (value: number): OnnxAttribute => ({ kind: 'int', value });
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value });

/** Makes nodes for a call. @returns a name for each of its results */
export type Translate = (translation: Translation, call: TracedCall) => readonly string[];

/** Something that has no form in ONNX. */
export class NoOnnxForm extends Error {
  override readonly name = 'NoOnnxForm';
}

/** @throws NoOnnxForm for bfloat16 and integers that no translation makes */
export function onnxTypeOf(dtype: DType): OnnxType {
  if (dtype === 'bfloat16' || dtype === 'int16') throw new NoOnnxForm(`tensors of ${dtype}`);
  return dtype;
}

export class Translation {
  readonly builder: GraphBuilder;
  readonly weights: WeightStore;
  readonly #names = new Map<TracedValue, string>();
  /** A weight turned over: of such a value no node is made before someone wants it so. */
  readonly #transposed = new Map<TracedValue, TracedValue>();
  readonly #symbols: Readonly<Record<DimensionSymbol, () => string>>;
  readonly #lookedUp: ReadonlySet<string>;

  /**
   * @param symbols makes the int64 [1] that holds a size of the inputs
   * @param lookedUp names of the weights of which some node takes rows by number
   */
  constructor(
    builder: GraphBuilder,
    weights: WeightStore,
    symbols: Readonly<Record<DimensionSymbol, () => string>>,
    lookedUp: ReadonlySet<string>,
  ) {
    this.builder = builder;
    this.weights = weights;
    this.#symbols = symbols;
    this.#lookedUp = lookedUp;
  }

  isLookedUp(weight: string): boolean {
    return this.#lookedUp.has(weight);
  }

  setName(value: TracedValue, name: string): void {
    this.#names.set(value, name);
  }

  setTransposed(value: TracedValue, weight: TracedValue): void {
    this.#transposed.set(value, weight);
  }

  /** The weight that `value` is, as it lies or turned over; undefined: it is none. */
  weightOf(value: TracedValue): { readonly name: string; readonly isTransposed: boolean } | undefined {
    const turned = this.#transposed.get(value);
    const { origin } = turned ?? value;
    if (origin === undefined || !('name' in origin) || !this.weights.has(origin.name)) return undefined;
    return { name: origin.name, isTransposed: turned !== undefined };
  }

  /** The name of a value as an input of nodes. */
  use(value: TracedValue): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const turned = this.#transposed.get(value);
    const name =
      turned === undefined
        ? this.#constant(value)
        : this.builder.node('Transpose', [this.use(turned)], { perm: ints(1, 0) });
    this.#names.set(value, name);
    return name;
  }

  #constant(value: TracedValue): string {
    const { origin, shape, dtype } = value;
    if (origin === undefined) throw new TypeError('a value was used before it was made');
    if ('name' in origin) return this.weights.whole(origin.name);
    const sizes = shape.map((size) => {
      if (typeof size !== 'number') throw new TypeError('a constant has sizes of its own');
      return size;
    });
    const { bytes } = origin;
    return this.builder.initializer({
      name: `constant.${this.#names.size}`,
      type: onnxTypeOf(dtype),
      shape: sizes,
      content: () => [bytes],
    });
  }

  /** A size as int64 [1]. */
  size(dimension: Dimension): string {
    const { builder } = this;
    if (typeof dimension === 'number') return builder.integers([dimension]);
    const { factor, symbols, offset } = dimension;
    const product = symbols
      .map((symbol) => this.#symbols[symbol]())
      .reduce((a, b) => builder.node('Mul', [a, b]));
    const scaled = factor === 1 ? product : builder.node('Mul', [product, builder.integers([factor])]);
    return offset === 0 ? scaled : builder.node('Add', [scaled, builder.integers([offset])]);
  }

  /** The same without dimensions. */
  scalarSize(dimension: Dimension): string {
    if (typeof dimension === 'number') return this.builder.integers([dimension], []);
    return this.builder.node('Squeeze', [this.size(dimension), this.builder.integers([0])]);
  }

  /** Sizes as one vector. */
  sizes(dimensions: readonly Dimension[]): string {
    const plain = dimensions.filter((dimension) => typeof dimension === 'number');
    if (plain.length === dimensions.length) return this.builder.integers(plain);
    return this.builder.node(
      'Concat',
      dimensions.map((dimension) => this.size(dimension)),
      { axis: int(0) },
    );
  }

  /** @param shape -1 stands for what is left, once @param from the shape of `input`: a size at its place need not be said */
  reshape(input: string, from: readonly Dimension[], shape: readonly Dimension[]): string {
    const kept = shape.map(
      (size, dim): Dimension => (typeof size === 'object' && sameDimension(size, from[dim]) ? 0 : size),
    );
    const unknown = kept.filter((size) => typeof size === 'object');
    const canLeave = unknown.length === 1 && !kept.includes(-1);
    const said = canLeave ? kept.map((size) => (typeof size === 'object' ? -1 : size)) : kept;
    return this.builder.node('Reshape', [input, this.sizes(said)]);
  }

  /** `name` in the type of `wanted`. */
  castTo(name: string, from: DType, wanted: DType): string {
    return from === wanted ? name : this.builder.cast(name, onnxTypeOf(wanted));
  }
}

// Arguments of a call, read as what they have to be ------------------------------------------------------------------

export function valueAt({ name, arguments: given }: TracedCall, place: number): TracedValue {
  const argument = given[place];
  if (argument?.kind !== 'value') throw new NoOnnxForm(`${name} without a tensor at ${place}`);
  return argument.value;
}

export function optionalValueAt({ arguments: given }: TracedCall, place: number): TracedValue | undefined {
  const argument = given[place];
  return argument?.kind === 'value' ? argument.value : undefined;
}

export function valuesAt(call: TracedCall, place: number): readonly TracedValue[] {
  return listAt(call, place).map((item) => {
    if (item.kind !== 'value') throw new NoOnnxForm(`${call.name} with a list of ${item.kind}s`);
    return item.value;
  });
}

export function listAt({ name, arguments: given }: TracedCall, place: number): readonly TracedArgument[] {
  const argument = given[place];
  if (argument?.kind !== 'list') throw new NoOnnxForm(`${name} without a list at ${place}`);
  return argument.items;
}

export function dimensionsAt(call: TracedCall, place: number): readonly Dimension[] {
  return listAt(call, place).map((item) => {
    if (item.kind !== 'number') throw new NoOnnxForm(`${call.name} with a list of ${item.kind}s`);
    return item.number;
  });
}

export function dimensionAt({ name, arguments: given }: TracedCall, place: number): Dimension {
  const argument = given[place];
  if (argument?.kind !== 'number') throw new NoOnnxForm(`${name} without a number at ${place}`);
  return argument.number;
}

/** A number that does not follow the sizes of the inputs. */
export function numberAt(call: TracedCall, place: number, otherwise?: number): number {
  if (call.arguments[place] === undefined && otherwise !== undefined) return otherwise;
  const number = dimensionAt(call, place);
  if (typeof number === 'number') return number;
  throw new NoOnnxForm(`${call.name} with ${showDimension(number)} at ${place}`);
}

export function plainAt({ arguments: given }: TracedCall, place: number): string | boolean | undefined {
  const argument = given[place];
  return argument?.kind === 'plain' ? argument.plain : undefined;
}

/** A dimension by number, counted from the end where negative. */
export function dimAt(call: TracedCall, place: number, dims: number, otherwise?: number): number {
  const dim = numberAt(call, place, otherwise);
  return dim < 0 ? dim + dims : dim;
}

export function resultOf({ name, results }: TracedCall, index = 0): TracedValue {
  const result = results[index];
  if (result === undefined) throw new TypeError(`${name} has no result ${index}`);
  return result;
}
