/**
 * A table of embeddings that stays integers in memory: the rows of a text are decoded when they are read, and where the table is the
 * output projection, too, it multiplies as a layer of integers does.
 */
import { Module } from '../nn/index.js';
import { noGrad, operator, type Tensor } from '../tensor/index.js';
import { type IntegerLinearOptions, type IntegerTensors, narrowestScales } from './integer-linear.js';

const integerLinear = operator('xinghe::integer_linear');
const integerWeight = operator('xinghe::integer_weight');

export class IntegerEmbedding extends Module {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** As that of an IntegerLinear, where the table multiplies. */
  readonly roundsInput: boolean;
  // No parameters, as those of an IntegerLinear.
  readonly #groupSize: number;
  readonly #table: Tensor; // uint8 [V, K * bits / 8], or int8 [V, K]
  readonly #scales: Tensor; // float32 or float16 [V, G]
  readonly #zeros: Tensor; // uint8 [V, G]
  readonly #order: Tensor | undefined; // int64 [D]

  /** @param tensors which the table takes over; of the vocabulary's rows */
  constructor(
    [vocabSize, hiddenSize]: readonly [number, number],
    { packed, scales, zeros, order, groupSize }: IntegerTensors,
    { roundsInput = false }: Pick<IntegerLinearOptions, 'roundsInput'> = {},
  ) {
    super();
    this.vocabSize = vocabSize;
    this.hiddenSize = hiddenSize;
    this.roundsInput = roundsInput;
    this.#groupSize = groupSize;
    this.#table = packed;
    this.#scales = noGrad(() => narrowestScales(scales));
    this.#zeros = zeros;
    this.#order = order;
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
      this.roundsInput,
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
