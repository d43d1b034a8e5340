/** A parameter out of a view of a file: in the file's own pages where they hold it as it is wanted, else a copy made piece by piece. */
import { InputError } from '../errors/index.js';
import {
  type ByteRange,
  placeOfView,
  readBytes,
  readRanges,
  type TensorView,
  viewBytes,
} from '../formats/index.js';
import {
  empty,
  type FloatDType,
  isFloatDType,
  MappedFile,
  scope,
  type Tensor,
  tensorFromBytes,
} from '../tensor/index.js';
import type { TensorCut } from './tensor-cut.js';

export interface ParameterOptions {
  /** Default: as it lies in the file. */
  readonly dtype?: FloatDType | undefined;
  /** Default cpu. */
  readonly device?: string | undefined;
}

/** Bytes of a piece: what fits the caches of a processor. */
const PIECE_BYTES = 2 ** 20;

export class ParameterReader {
  readonly #files = new Map<string, MappedFile>();
  /** One for all tensors: JavaScript would keep a buffer for each until it collects them. */
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);

  /**
   * @param cut which part is wanted: that alone is read where the file allows it
   * @throws InputError for a dtype that is not floating point
   */
  read(view: TensorView, options: ParameterOptions, cut?: TensorCut): Tensor {
    const stored = floatsOf(view);
    const { dtype: wanted = stored, device = 'cpu' } = options;
    const tensor =
      cut === undefined ? this.#whole(view, stored, wanted) : this.#part(view, cut, stored, wanted);
    return placedOn(tensor, device);
  }

  /** Integers of one byte as they lie in the file. @param shape of the bytes, row by row */
  readBytes(view: TensorView, dtype: 'int8' | 'uint8', shape: readonly number[], device = 'cpu'): Tensor {
    const range = onlyRange(view);
    const tensor =
      range === undefined
        ? scope(() => tensorFromBytes(readBytes(view), shape, dtype)).keep()
        : this.#open(range.path).tensor(range.start, shape, dtype);
    return placedOn(tensor, device);
  }

  #whole(view: TensorView, stored: FloatDType, wanted: FloatDType): Tensor {
    const range = onlyRange(view);
    return range === undefined
      ? this.#copied(view, stored, wanted)
      : cast(this.#open(range.path).tensor(range.start, view.shape, stored), wanted);
  }

  #part(view: TensorView, cut: TensorCut, stored: FloatDType, wanted: FloatDType): Tensor {
    if (view.isInMemory !== true && view.stream === undefined)
      return this.#copied(cut.view(view), stored, wanted);
    // What can be made as a whole only.
    const whole = this.#copied(view, stored, wanted);
    const part = scope(() => cut.of(whole).clone().contiguous().keep());
    whole.dispose();
    return part;
  }

  dispose(): void {
    for (const file of this.#files.values()) file.dispose();
  }

  #open(path: string): MappedFile {
    const file = this.#files.get(path) ?? new MappedFile(path);
    this.#files.set(path, file);
    return file;
  }

  /** Of bytes that are unpacked or gathered no more than a piece exists beside the tensor. */
  #copied(view: TensorView, stored: FloatDType, wanted: FloatDType): Tensor {
    const bytes = viewBytes(view);
    return scope(() => {
      const tensor = empty(view.shape, { dtype: wanted });
      const flat = tensor.reshape([tensor.numElements]);
      let filled = 0;
      for (const piece of view.stream?.() ?? readRanges(view.locate(0, bytes), PIECE_BYTES, this.#piece))
        scope(() => {
          const elements = (piece.length * tensor.numElements) / bytes;
          flat.narrow(0, filled, elements).copy_(tensorFromBytes(piece, [elements], stored));
          filled += elements;
        });
      return tensor.keep();
    });
  }
}

function floatsOf(view: TensorView): FloatDType {
  const { dtype } = view;
  if (isFloatDType(dtype)) return dtype;
  throw new InputError(
    `${placeOfView(view)}: tensor "${view.source}" has dtype ${dtype}; weights must be float32, float64, bfloat16 or ` +
      'float16. Convert the model again.',
  );
}

function cast(tensor: Tensor, dtype: FloatDType): Tensor {
  const result = tensor.to(dtype);
  if (result !== tensor) tensor.dispose();
  return result;
}

function placedOn(tensor: Tensor, device: string): Tensor {
  const placed = tensor.toDevice(device);
  if (placed !== tensor) tensor.dispose();
  return placed;
}

/** The range of a view whose bytes lie together in a file, as they are. */
function onlyRange(view: TensorView): ByteRange | undefined {
  const ranges = view.locate(0, viewBytes(view))[Symbol.iterator]();
  const first = ranges.next();
  if (first.done === true || ranges.next().done !== true) return undefined;
  return first.value.content === undefined ? first.value : undefined;
}
