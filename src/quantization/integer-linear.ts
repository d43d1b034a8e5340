/**
 * A linear layer whose weight stays integers in memory: W [o, i] = scale * (q - zero), a scale and a zero point for each
 * group of inputs. What is multiplied is that very float32, so the layer computes what the dense one does, but for the
 * order of sums; or inputs are rounded to integers, too (`roundsInput`), and integers are multiplied. Rows do not depend on
 * their neighbours either way.
 */
import { type IntegerOperands, type Linear, Module, parameter } from '../nn/index.js';
import { type DType, noGrad, operator, scope, type Tensor, tensorFromBytes } from '../tensor/index.js';
import type { PackedIntegers } from './pack-integers.js';

const integerLinear = operator('xinghe::integer_linear');
const integerWeight = operator('xinghe::integer_weight');

/** What a layer of integers is made of; K: its inputs in whole blocks of 32. */
export interface IntegerTensors {
  readonly bits: 4 | 8;
  /** Inputs in each group but the last. */
  readonly groupSize: number;
  /** uint8 [O, K * bits / 8]; of eight bits also int8, less by 128 (zero points are those of the unsigned). */
  readonly packed: Tensor;
  /** float32 or float16 [O, G] */
  readonly scales: Tensor;
  /** uint8 [O, G] */
  readonly zeros: Tensor;
  /** int64 [I]: the input at each place; undefined: each at its own. */
  readonly order: Tensor | undefined;
}

/** @param device where they are to lie. Default: cpu */
export function placeIntegers(integers: PackedIntegers, outFeatures: number, device = 'cpu'): IntegerTensors {
  const { bits, groupSize, packed, scales, zeros, order } = integers;
  const groups = [outFeatures, scales.length / outFeatures];
  const place = (bytes: NodeJS.TypedArray, shape: readonly number[], dtype: DType): Tensor =>
    scope(() => tensorFromBytes(bytes, shape, dtype).toDevice(device)).keep();
  return {
    ...{ bits, groupSize },
    packed: place(packed, [outFeatures, packed.length / outFeatures], 'uint8'),
    scales: place(scales, groups, 'float32'),
    zeros: place(zeros, groups, 'uint8'),
    order: order && placeOrder(order, device),
  };
}

/** int64 [I] */
export function placeOrder(order: Int32Array, device = 'cpu'): Tensor {
  return scope(() =>
    tensorFromBytes(BigInt64Array.from(order, BigInt), [order.length], 'int64').toDevice(device),
  ).keep();
}

export interface IntegerLinearOptions {
  /** Default false. */
  readonly bias?: boolean;
  /** What of the weight this process has, where several share it: its outputs and inputs; some of the inputs, or of the outputs. Default: all of it. */
  readonly part?:
    | { readonly shape: readonly [number, number]; readonly hasInputs: boolean; readonly addsBias: boolean }
    | undefined;
  /**
   * Round inputs to integers of 8 bits, with a scale for each group of 32 to 128 of them: several times as fast on the CPU, and a
   * little less exact. An input that is not finite makes the outputs of its row NaN. Not in float64, on other devices, and while
   * a graph is recorded. Default false.
   */
  readonly roundsInput?: boolean | undefined;
}

export class IntegerLinear extends Module implements Linear {
  bias: Tensor | undefined; // [O]
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout = 'out-in';
  readonly addsBias: boolean;
  /** What it gives is a part of a sum. */
  readonly hasSomeInputs: boolean;
  readonly bits: 4 | 8;
  readonly roundsInput: boolean;
  // No parameters: they are neither trained nor cast, and have no published names of their own.
  readonly #groupSize: number;
  readonly #ownInputs: number;
  #weight: Tensor; // uint8 [O, K * bits / 8], or int8 [O, K]
  #scales: Tensor; // float32 or float16 [O, G]
  #zeros: Tensor; // uint8 [O, G]
  #order: Tensor | undefined; // int64 [I]

  /** @param tensors which the layer takes over: of the whole weight, or of the part that `part` names */
  constructor(
    [outFeatures, inFeatures]: readonly [number, number],
    { packed, scales, zeros, order, bits, groupSize }: IntegerTensors,
    { bias = false, part, roundsInput = false }: IntegerLinearOptions = {},
  ) {
    super();
    this.outFeatures = outFeatures;
    this.inFeatures = inFeatures;
    this.addsBias = part?.addsBias ?? true;
    this.hasSomeInputs = part?.hasInputs ?? false;
    const [ownOutputs, ownInputs] = part?.shape ?? [outFeatures, inFeatures];
    this.#ownInputs = ownInputs;
    this.bits = bits;
    this.roundsInput = roundsInput;
    this.#groupSize = groupSize;
    this.bias = bias ? parameter(ownOutputs) : undefined;
    this.#weight = packed;
    this.#scales = noGrad(() => narrowestScales(scales));
    this.#zeros = zeros;
    this.#order = order;
  }

  /** As it is stored: uint8 [O, K * bits / 8], or int8 [O, K]. */
  get weight(): Tensor {
    return this.#weight;
  }

  /** Bytes that the weight takes, scales and zero points with it. */
  get weightBytes(): number {
    return [this.#weight, this.#scales, this.#zeros, this.#order].reduce(
      (sum, tensor) => sum + (tensor?.numBytes ?? 0),
      0,
    );
  }

  get integers(): IntegerOperands | undefined {
    if (!this.addsBias || this.hasSomeInputs) return undefined;
    return {
      tensors: [this.#weight, this.#scales, this.#zeros],
      order: this.#order ?? null,
      groupSize: this.#groupSize,
      roundsInput: this.roundsInput,
    };
  }

  forward(x: Tensor): Tensor {
    const bias = this.addsBias ? this.bias : undefined;
    return integerLinear(
      x,
      this.#weight,
      this.#scales,
      this.#zeros,
      this.#order,
      bias,
      this.#groupSize,
      this.roundsInput,
    );
  }

  dequantizedWeight(): Tensor {
    return integerWeight(
      this.#weight,
      this.#scales,
      this.#zeros,
      this.#order,
      this.#ownInputs,
      this.#groupSize,
    );
  }

  override dispose(): void {
    super.dispose();
    for (const tensor of [this.#weight, this.#scales, this.#zeros, this.#order]) tensor?.dispose();
  }
}

/** Scales that were float16 in their file are kept so: with groups of 32 they are a tenth of the bytes. */
export function narrowestScales(scales: Tensor): Tensor {
  if (scales.dtype === 'float16') return scales;
  const half = scales.to('float16').keep();
  const isExact = scope(() => half.to('float32').equals(scales));
  const [kept, other] = isExact ? [half, scales] : [scales, half];
  other.dispose();
  return kept;
}
