/**
 * A linear layer whose weight stays integers in memory: W [o, i] = scale * (q - zero), a scale and a zero point for each
 * group of inputs. What is multiplied is that very float32, so the layer computes what the dense one does, but for the
 * order of sums; rows do not depend on their neighbours.
 */
import { type Linear, Module, parameter } from '../nn/index.js';
import { type DType, noGrad, operator, scope, type Tensor, tensorFromBytes } from '../tensor/index.js';
import type { PackedIntegers } from './pack-integers.js';

const integerLinear = operator('xinghe::integer_linear');
const integerWeight = operator('xinghe::integer_weight');

export interface IntegerLinearOptions {
  /** Default false. */
  readonly bias?: boolean;
  /** Where the integers lie. Default cpu. */
  readonly device?: string | undefined;
  /** What of the weight this process has, where several share it: its outputs and inputs; some of the inputs, or of the outputs. Default: all of it. */
  readonly part?:
    | { readonly shape: readonly [number, number]; readonly hasInputs: boolean; readonly addsBias: boolean }
    | undefined;
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
  // No parameters: they are neither trained nor cast, and have no published names of their own.
  readonly #groupSize: number;
  readonly #ownInputs: number;
  #weight: Tensor; // uint8 [O, K * bits / 8]
  #scales: Tensor; // float32 or float16 [O, G]
  #zeros: Tensor; // uint8 [O, G]
  #order: Tensor | undefined; // int64 [I]

  /** @param integers of the whole weight, or of the part that `part` names */
  constructor(
    [outFeatures, inFeatures]: readonly [number, number],
    integers: PackedIntegers,
    { bias = false, device = 'cpu', part }: IntegerLinearOptions = {},
  ) {
    super();
    this.outFeatures = outFeatures;
    this.inFeatures = inFeatures;
    this.addsBias = part?.addsBias ?? true;
    this.hasSomeInputs = part?.hasInputs ?? false;
    const [ownOutputs, ownInputs] = part?.shape ?? [outFeatures, inFeatures];
    this.#ownInputs = ownInputs;
    this.bits = integers.bits;
    this.#groupSize = integers.groupSize;
    this.bias = bias ? parameter(ownOutputs) : undefined;
    const { packed, scales, zeros, order } = integers;
    const groups = [ownOutputs, scales.length / ownOutputs];
    const place = (bytes: NodeJS.TypedArray, shape: readonly number[], dtype: DType): Tensor =>
      scope(() => tensorFromBytes(bytes, shape, dtype).toDevice(device)).keep();
    this.#weight = place(packed, [ownOutputs, packed.length / ownOutputs], 'uint8');
    this.#scales = noGrad(() => narrowest(place(scales, groups, 'float32')));
    this.#zeros = place(zeros, groups, 'uint8');
    this.#order =
      order === undefined ? undefined : place(BigInt64Array.from(order, BigInt), [ownInputs], 'int64');
  }

  /** As it is stored: uint8 [O, K * bits / 8]. */
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

  forward(x: Tensor): Tensor {
    const bias = this.addsBias ? this.bias : undefined;
    return integerLinear(x, this.#weight, this.#scales, this.#zeros, this.#order, bias, this.#groupSize);
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
function narrowest(scales: Tensor): Tensor {
  const half = scales.to('float16').keep();
  const isExact = scope(() => half.to('float32').equals(scales));
  const [kept, other] = isExact ? [half, scales] : [scales, half];
  other.dispose();
  return kept;
}
