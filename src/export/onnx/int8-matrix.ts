/** A matrix as integers of 8 bit: each output has a scale by which its largest weight is 127 or -127. */
import { InputError } from '../../errors/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import { piecesOf } from './pieces.js';

const LARGEST = 127;

export interface Int8MatrixOptions {
  /** For messages. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Makes it, as it is to be stored, in the scope of the caller. */
  readonly source: () => Tensor;
  /** Where the outputs lie that have a scale each: 0 rows, 1 columns. */
  readonly axis: 0 | 1;
}

export class Int8Matrix {
  readonly #options: Int8MatrixOptions;
  #scales: Float32Array | undefined;

  constructor(options: Int8MatrixOptions) {
    this.#options = options;
  }

  get numOutputs(): number {
    const { shape, axis } = this.#options;
    return shape[axis] ?? 0;
  }

  /** @throws InputError for a weight that is no finite number */
  scales(): Float32Array {
    this.#scales ??= this.#findScales();
    return this.#scales;
  }

  /** Row by row, in pieces. */
  *integers(): Generator<Uint8Array, void> {
    const scales = this.scales();
    for (const { values, first, width } of this.#pieces()) {
      const integers = new Int8Array(values.length);
      for (const [place, value] of values.entries()) {
        const scale = scales[this.#outputAt(place, first, width)] ?? 1;
        integers[place] = nearest(value / scale);
      }
      yield new Uint8Array(integers.buffer);
    }
  }

  #findScales(): Float32Array {
    const largest = new Float32Array(this.numOutputs);
    for (const { values, first, width } of this.#pieces())
      for (const [place, value] of values.entries()) {
        const output = this.#outputAt(place, first, width);
        const size = Math.abs(value);
        if (!Number.isFinite(size))
          throw new InputError(
            `${this.#options.name}: a weight is ${value}, for which there is no scale of int8.`,
          );
        if (size > (largest[output] ?? 0)) largest[output] = size;
      }
    return largest.map((size) => (size === 0 ? 1 : size / LARGEST));
  }

  #outputAt(place: number, firstRow: number, width: number): number {
    return this.#options.axis === 1 ? place % width : firstRow + Math.floor(place / width);
  }

  *#pieces(): Generator<{ values: Float32Array; first: number; width: number }, void> {
    const [height = 0, width = 0] = this.#options.shape;
    for (const { start, count } of piecesOf(height, width))
      yield {
        values: scope(() => this.#options.source().narrow(0, start, count).toFloat32Array()),
        first: start,
        width,
      };
  }
}

/** Halves to the even side, as QuantizeLinear rounds. */
function nearest(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return Math.min(LARGEST, Math.max(-LARGEST, rounded));
}
