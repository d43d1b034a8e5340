/**
 * The weights of a graph: each is brought from the model when it is written, piece by piece, in the layout that its node wants. As
 * int8 a matrix has a scale for each output, and DequantizeLinear makes floats of it.
 */
import { InputError } from '../../errors/index.js';
import { type OnnxInitializer, onnxTypeBytes } from '../../formats/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import type { GraphBuilder } from './graph-builder.js';

export type WeightDType = 'float32' | 'float16';

/** Bytes of one piece. */
const PIECE_BYTES = 2 ** 24;

const LARGEST_INT8 = 127;

export interface WeightStoreOptions {
  readonly dtype: WeightDType;
  /** Matrices as integers of 8 bit. */
  readonly isInt8: boolean;
}

export class WeightStore {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #builder: GraphBuilder;
  readonly #options: WeightStoreOptions;
  readonly #scales = new Map<string, Float32Array>();

  constructor(tensors: ReadonlyMap<string, Tensor>, builder: GraphBuilder, options: WeightStoreOptions) {
    this.#tensors = tensors;
    this.#builder = builder;
    this.#options = options;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** As it lies: vectors, tables of rotation. @returns its name in the graph */
  whole(name: string): string {
    const tensor = this.#tensor(name);
    const integers = tensor.dtype === 'int64';
    return this.#builder.initializer(
      this.#initializer(name, integers ? 'int64' : this.#options.dtype, tensor.shape, () =>
        rowsOf(tensor.shape, () => tensor),
      ),
    );
  }

  /** A matrix as floats. @param isTurned rows become columns @param piece the matrix of one expert of several */
  matrix(name: string, isTurned: boolean, piece?: number): string {
    const tensor = this.#tensor(name);
    const [outputs = 0, inputs = 0] = tensor.shape.slice(-2);
    const shape = isTurned ? [inputs, outputs] : [outputs, inputs];
    const stored = `${name}${piece === undefined ? '' : `.${piece}`}${isTurned ? '.transposed' : ''}`;
    const source = (): Tensor => (piece === undefined ? tensor : tensor.select(0, piece));
    const pieces = (): Iterable<() => Tensor> =>
      rowsOf(shape, () => (isTurned ? source().transpose(0, 1) : source()));
    if (!this.#options.isInt8)
      return this.#builder.initializer(this.#initializer(stored, this.#options.dtype, shape, pieces));
    const scaleKey = `${name}${piece === undefined ? '' : `.${piece}`}`;
    return this.#builder.node(
      'DequantizeLinear',
      [this.#integers(stored, shape, source, isTurned, scaleKey), this.#scale(scaleKey, source, outputs)],
      { axis: { kind: 'int', value: isTurned ? 1 : 0 } },
    );
  }

  /** Rows of a table by number. */
  rows(name: string, ids: string): string {
    const builder = this.#builder;
    const tensor = this.#tensor(name);
    if (!this.#options.isInt8 || tensor.numDims !== 2 || !name.startsWith('weight.'))
      return builder.node('Gather', [this.whole(name), ids], { axis: { kind: 'int', value: 0 } });
    const [rows = 0] = tensor.shape;
    const source = (): Tensor => tensor;
    const integers = this.#integers(name, tensor.shape, source, false, name);
    const found = builder.node('Gather', [integers, ids], { axis: { kind: 'int', value: 0 } });
    const scales = builder.node('Gather', [this.#scale(name, source, rows), ids], {
      axis: { kind: 'int', value: 0 },
    });
    const wide = builder.node('Unsqueeze', [scales, builder.integers([-1])]);
    return builder.node('Mul', [builder.cast(found, 'float32'), wide]);
  }

  #tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new TypeError(`the model has no ${name}`);
    return tensor;
  }

  #initializer(
    name: string,
    type: WeightDType | 'int64',
    shape: readonly number[],
    pieces: () => Iterable<() => Tensor>,
  ): OnnxInitializer {
    return {
      name,
      type,
      shape,
      *content() {
        for (const piece of pieces())
          yield scope(() => {
            const source = piece();
            const cast = source.to(type);
            if (type === 'float16' && !cast.isfinite().all().item() && source.isfinite().all().item())
              throw new InputError(`${name}: a weight is too large for float16; export it as float32.`);
            return cast.toBytes();
          });
      },
    };
  }

  /** @param scaleKey of the scales, one for each row of `source` */
  #integers(
    stored: string,
    shape: readonly number[],
    source: () => Tensor,
    isTurned: boolean,
    scaleKey: string,
  ): string {
    const scalesOf = (): Float32Array => this.#scalesOf(scaleKey, source);
    return this.#builder.initializer({
      name: `${stored}.int8`,
      type: 'int8',
      shape,
      *content() {
        const scales = scalesOf();
        const [height = 0, width = 0] = shape;
        for (const { start, count } of piecesOf(height, width)) {
          yield scope(() => {
            const whole = isTurned ? source().transpose(0, 1) : source();
            const values = whole.narrow(0, start, count).toFloat32Array();
            const integers = new Int8Array(values.length);
            for (let row = 0; row < count; row++)
              for (let column = 0; column < width; column++) {
                const place = row * width + column;
                const scale = scales[isTurned ? column : start + row] ?? 1;
                integers[place] = nearestInt8((values[place] ?? 0) / scale);
              }
            return new Uint8Array(integers.buffer);
          });
        }
      },
    });
  }

  #scale(key: string, source: () => Tensor, rows: number): string {
    return this.#builder.initializer({
      name: `${key}.scale`,
      type: 'float32',
      shape: [rows],
      content: () => [new Uint8Array(this.#scalesOf(key, source).slice().buffer)],
    });
  }

  /** A scale for each row: the largest weight becomes 127. */
  #scalesOf(key: string, source: () => Tensor): Float32Array {
    const known = this.#scales.get(key);
    if (known !== undefined) return known;
    const [height = 0, width = 0] = scope(() => source().shape);
    const scales = new Float32Array(height);
    for (const { start, count } of piecesOf(height, width)) {
      const values = scope(() => source().narrow(0, start, count).toFloat32Array());
      for (let row = 0; row < count; row++) {
        let largest = 0;
        for (const value of values.subarray(row * width, (row + 1) * width))
          largest = Math.max(largest, Math.abs(value));
        scales[start + row] = largest === 0 ? 1 : largest / LARGEST_INT8;
      }
    }
    this.#scales.set(key, scales);
    return scales;
  }
}

/** Halves to the even side, as DequantizeLinear's counterpart rounds. */
function nearestInt8(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const nearest = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return Math.min(LARGEST_INT8, Math.max(-LARGEST_INT8, nearest));
}

/** Stretches of `count` indices, each of `elements` numbers, that are a piece each. */
function* piecesOf(count: number, elements: number): Generator<{ start: number; count: number }, void> {
  const bytes = Math.max(1, elements) * onnxTypeBytes('float32');
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / bytes));
  for (let start = 0; start < count; start += atOnce) yield { start, count: Math.min(atOnce, count - start) };
}

/** Of the first dimension. @param source makes the tensor, in the scope of who calls a piece */
function* rowsOf(shape: readonly number[], source: () => Tensor): Generator<() => Tensor, void> {
  const [rows = 1, ...rest] = shape;
  const elements = rest.reduce((product, size) => product * size, 1);
  for (const { start, count } of piecesOf(rows, elements)) yield () => source().narrow(0, start, count);
}
