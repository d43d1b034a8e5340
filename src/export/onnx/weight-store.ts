/**
 * The weights of a graph: each is brought from the model when it is written, piece by piece, in the layout that its node wants.
 * As int8, DequantizeLinear makes floats of a matrix.
 */
import { InputError } from '../../errors/index.js';
import type { OnnxAttribute } from '../../formats/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import type { GraphBuilder } from './graph-builder.js';
import { Int8Matrix } from './int8-matrix.js';
import { piecesOf } from './pieces.js';

export interface WeightStoreOptions {
  readonly dtype: 'float32' | 'float16';
  /** Names of the matrices that become integers of 8 bit. */
  readonly isInt8: (name: string) => boolean;
}

const axis = (value: number): Readonly<Record<string, OnnxAttribute>> => ({ axis: { kind: 'int', value } });

/** How a matrix lies in the graph. */
export interface MatrixLayout {
  /** Its rows are columns there. */
  readonly isTurned: boolean;
  /** Where its outputs are: 0 rows, 1 columns. */
  readonly outputs: 0 | 1;
  /** Which of the experts of a weight it is. Default: the weight is one matrix. */
  readonly expert?: number;
}

export class WeightStore {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #builder: GraphBuilder;
  readonly #options: WeightStoreOptions;

  /** @param tensors weights and tables by their names in the graph */
  constructor(tensors: ReadonlyMap<string, Tensor>, builder: GraphBuilder, options: WeightStoreOptions) {
    this.#tensors = tensors;
    this.#builder = builder;
    this.#options = options;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** As it lies: vectors, tables. @returns its name in the graph */
  whole(name: string): string {
    const tensor = this.#tensor(name);
    return this.#floats(name, tensor.shape, () => tensor);
  }

  /** A matrix as floats. */
  matrix(name: string, { isTurned, outputs, expert }: MatrixLayout): string {
    const tensor = this.#tensor(name);
    const [rows = 0, columns = 0] = tensor.shape.slice(-2);
    const shape = isTurned ? [columns, rows] : [rows, columns];
    const source = (): Tensor => {
      const lying = expert === undefined ? tensor : tensor.select(0, expert);
      return isTurned ? lying.transpose(0, 1) : lying;
    };
    const stored = [
      name,
      ...(expert === undefined ? [] : [expert]),
      ...(isTurned ? ['transposed'] : []),
    ].join('.');
    if (!this.#options.isInt8(name)) return this.#floats(stored, shape, source);
    const { integers, scales } = this.#int8(stored, shape, source, outputs);
    return this.#builder.node('DequantizeLinear', [integers, scales], axis(outputs));
  }

  /** Rows of a table by number. */
  rows(name: string, ids: string): string {
    const builder = this.#builder;
    if (!this.#options.isInt8(name)) return builder.node('Gather', [this.whole(name), ids], axis(0));
    const tensor = this.#tensor(name);
    const { integers, scales } = this.#int8(name, tensor.shape, () => tensor, 0);
    const found = builder.cast(builder.node('Gather', [integers, ids], axis(0)), 'float32');
    const scale = builder.node('Unsqueeze', [
      builder.node('Gather', [scales, ids], axis(0)),
      builder.integers([-1]),
    ]);
    return builder.node('Mul', [found, scale]);
  }

  #tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new TypeError(`the model has no ${name}`);
    return tensor;
  }

  /** Integers stay integers. @param source makes the tensor, in the scope of the caller */
  #floats(name: string, shape: readonly number[], source: () => Tensor): string {
    const isInteger = scope(() => source().dtype) === 'int64';
    const type = isInteger ? 'int64' : this.#options.dtype;
    return this.#builder.initializer({
      name,
      type,
      shape,
      content: () => castPieces(name, shape, source, type),
    });
  }

  #int8(name: string, shape: readonly number[], source: () => Tensor, outputs: 0 | 1) {
    const matrix = new Int8Matrix({ name, shape, source, axis: outputs });
    return {
      integers: this.#builder.initializer({
        name: `${name}.int8`,
        type: 'int8',
        shape,
        content: () => matrix.integers(),
      }),
      scales: this.#builder.initializer({
        name: `${name}.scale`,
        type: 'float32',
        shape: [matrix.numOutputs],
        content: () => [new Uint8Array(matrix.scales().slice().buffer)],
      }),
    };
  }
}

/** @throws InputError for a weight that float16 cannot hold */
function* castPieces(
  name: string,
  shape: readonly number[],
  source: () => Tensor,
  type: 'float32' | 'float16' | 'int64',
): Generator<Uint8Array, void> {
  const [rows = 1, ...rest] = shape;
  const elements = rest.reduce((product, size) => product * size, 1);
  for (const { start, count } of piecesOf(rows, elements))
    yield scope(() => {
      const piece = source().narrow(0, start, count);
      const cast = piece.to(type);
      if (type === 'float16' && !cast.isfinite().all().item() && piece.isfinite().all().item())
        throw new InputError(`${name}: a weight is too large for float16; export it as float32.`);
      return cast.toBytes();
    });
}
