/**
 * A table of embeddings that stays integers in memory: the rows of a text are decoded when they are read, and where the table is the
 * output projection, too, it multiplies as a layer of integers does.
 */
import { Module } from '../nn/index.js';
import { operator, type Tensor, tensorFromBytes } from '../tensor/index.js';
import type { PackedIntegers } from './pack-integers.js';

const integerLinear = operator('xinghe::integer_linear');
const integerWeight = operator('xinghe::integer_weight');

export class IntegerEmbedding extends Module {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  // No parameters, as those of an IntegerLinear.
  readonly #groupSize: number;
  readonly #table: Tensor; // uint8 [V, K * bits / 8]
  readonly #scales: Tensor; // float32 [V, G]
  readonly #zeros: Tensor; // uint8 [V, G]
  readonly #order: Tensor | undefined; // int64 [D]

  constructor(
    [vocabSize, hiddenSize]: readonly [number, number],
    { packed, scales, zeros, order, groupSize }: PackedIntegers,
    device = 'cpu',
  ) {
    super();
    this.vocabSize = vocabSize;
    this.hiddenSize = hiddenSize;
    this.#groupSize = groupSize;
    const place = (...made: Parameters<typeof tensorFromBytes>): Tensor =>
      tensorFromBytes(...made)
        .toDevice(device)
        .keep();
    const groups = [vocabSize, scales.length / vocabSize];
    this.#table = place(packed, [vocabSize, packed.length / vocabSize], 'uint8');
    this.#scales = place(scales, groups, 'float32');
    this.#zeros = place(zeros, groups, 'uint8');
    this.#order =
      order === undefined ? undefined : place(BigInt64Array.from(order, BigInt), [hiddenSize], 'int64');
  }

  /** Bytes that the table takes, scales and zero points with it. */
  get weightBytes(): number {
    return [this.#table, this.#scales, this.#zeros, this.#order].reduce(
      (sum, tensor) => sum + (tensor?.numBytes ?? 0),
      0,
    );
  }

  /** @param inputIds int64 [B, T] @returns float32 [B, T, D] */
  forward(inputIds: Tensor): Tensor {
    const ids = inputIds.reshape([-1]);
    const rows = (table: Tensor): Tensor => table.indexSelect(0, ids);
    return integerWeight(
      rows(this.#table),
      rows(this.#scales),
      rows(this.#zeros),
      this.#order,
      this.hiddenSize,
      this.#groupSize,
    ).view([...inputIds.shape, this.hiddenSize]);
  }

  /** Logits by the table. @param hidden [B, T, D] @returns [B, T, V] */
  project(hidden: Tensor): Tensor {
    return integerLinear(
      hidden,
      this.#table,
      this.#scales,
      this.#zeros,
      this.#order,
      undefined,
      this.#groupSize,
    );
  }

  /** float32 [V, D] */
  dequantizedWeight(): Tensor {
    return integerWeight(
      this.#table,
      this.#scales,
      this.#zeros,
      this.#order,
      this.hiddenSize,
      this.#groupSize,
    );
  }

  override dispose(): void {
    super.dispose();
    for (const tensor of [this.#table, this.#scales, this.#zeros, this.#order]) tensor?.dispose();
  }
}
