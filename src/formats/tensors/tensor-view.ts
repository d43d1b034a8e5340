/**
 * Views of tensors in files: row blocks, every second row, columns, tensors stacked below or beside each other. A view
 * only knows which bytes of which files it is; nothing is read.
 */

import { type ByteRange, readRanges, sliceRanges } from '../files/read-ranges.js';
import type { IntegerWeight } from '../quantized/integer-view.js';
import { dtypeBytes, type FileDtype } from './file-dtype.js';
import { type FileTensor, tensorBytes } from './file-tensor.js';

export interface TensorView {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** What it is made of, for people: `model.bin:fc1.weight[0:1024:2]`. */
  readonly source: string;
  /** Where the bytes `start` to `end` (exclusive) of its row-major content lie. */
  locate(start: number, end: number): Iterable<ByteRange>;
  /** Its content lies in memory: `locate` throws. */
  readonly isInMemory?: true;
  /** What its file keeps in the place of these floats; of a part of such a weight it is not set. */
  readonly integers?: IntegerWeight | undefined;
  /** All its bytes in order, in pieces of its own choosing: where that is faster than range by range. */
  stream?(): Generator<Uint8Array, void>;
}

/** The whole of a file tensor. Throws RangeError for one with strides: copy it first. */
export function viewOf(tensor: FileTensor): TensorView {
  const { name, dtype, shape, ranges, strides } = tensor;
  if (strides !== undefined) throw new RangeError(`Tensor ${name} has strides.`);
  return { dtype, shape, source: name, locate: (start, end) => sliceRanges(ranges, start, end) };
}

/** Content that lies in memory, in no file: it can be read as a whole only. */
export function memoryView(
  source: string,
  dtype: FileDtype,
  shape: readonly number[],
  bytes: Uint8Array,
): TensorView {
  return {
    dtype,
    shape,
    source,
    isInMemory: true,
    locate() {
      throw new RangeError(`${source} lies in no file`);
    },
    *stream() {
      yield bytes;
    },
  };
}

/** Bytes of a view in chunks of about `chunkBytes`, each a buffer of its own. */
export function readView(view: TensorView, chunkBytes = 2 ** 24): Generator<Uint8Array, void> {
  return view.stream?.() ?? readRanges(view.locate(0, viewBytes(view)), chunkBytes);
}

/** What fits the caches of a processor, so that a piece is still there when it is hashed and written. */
const STREAM_BYTES = 2 ** 20;

/** As readView, all pieces in one buffer: each lasts until the next is asked for. */
export function streamView(view: TensorView): Generator<Uint8Array, void> {
  if (view.stream !== undefined) return view.stream();
  const buffer = Buffer.allocUnsafeSlow(Math.min(STREAM_BYTES, viewBytes(view)));
  return readRanges(view.locate(0, viewBytes(view)), buffer.length, buffer);
}

export function viewBytes({ source, dtype, shape }: TensorView): number {
  return tensorBytes({ name: source, dtype, shape });
}

/** Do two views hold the same bytes? Read chunk by chunk, unless they lie at the same place. */
export function sameBytes(a: TensorView, b: TensorView): boolean {
  const bytes = viewBytes(a);
  if (viewBytes(b) !== bytes) return false;
  const [placesA, placesB] = [a, b].map((view) => view.locate(0, bytes)[Symbol.iterator]());
  const first = placesA?.next().value;
  const second = placesB?.next().value;
  const isSamePlace =
    first?.path === second?.path &&
    first?.content === second?.content &&
    first?.start === second?.start &&
    first?.end === second?.end;
  if (isSamePlace && placesA?.next().done === true && placesB?.next().done === true) return true;
  for (let start = 0; start < bytes; start += COMPARED_BYTES) {
    const [left, right] = [a, b].map((view) => {
      const end = Math.min(bytes, start + COMPARED_BYTES);
      return Buffer.concat([...readRanges(view.locate(start, end), COMPARED_BYTES)]);
    });
    if (left === undefined || right === undefined || !left.equals(right)) return false;
  }
  return true;
}

const COMPARED_BYTES = 2 ** 22;

/** The file that holds a view's first byte, for messages. @param otherwise of an empty tensor, or of one that lies in memory */
export function placeOfView(view: TensorView, otherwise = 'the checkpoint'): string {
  if (view.isInMemory === true) return otherwise;
  for (const { path } of view.locate(0, Math.min(1, viewBytes(view)))) return path;
  return otherwise;
}

/** Do its bytes lie in a file? Those of an empty tensor do not, nor those that are only planned or lie in memory. */
export function isStored(view: TensorView): boolean {
  if (view.isInMemory === true) return false;
  for (const _ of view.locate(0, Math.min(1, viewBytes(view)))) return true;
  return false;
}

/** Indices `start` to `end` (exclusive) of the first dimension. */
export function sliceRows(view: TensorView, start: number, end: number): TensorView {
  const rows = view.shape[0] ?? 1;
  if (start === 0 && end === rows) return view;
  const rowBytes = bytesPerRow(view);
  return {
    dtype: view.dtype,
    shape: [end - start, ...view.shape.slice(1)],
    source: `${view.source}[${start}:${end}]`,
    locate: (from, to) => view.locate(from + start * rowBytes, to + start * rowBytes),
  };
}

/** Every `step`-th index of the first dimension, from `first` on. */
export function everyRow(view: TensorView, step: number, first: number): TensorView {
  const rows = view.shape[0] ?? 1;
  const rowBytes = bytesPerRow(view);
  return {
    dtype: view.dtype,
    shape: [Math.ceil((rows - first) / step), ...view.shape.slice(1)],
    source: `${view.source}[${first}::${step}]`,
    *locate(from, to) {
      for (const { row, start, end } of rowParts(from, to, rowBytes)) {
        const offset = (first + row * step) * rowBytes;
        yield* view.locate(offset + start, offset + end);
      }
    },
  };
}

/** Indices `start` to `end` (exclusive) of the second dimension of a matrix. */
export function sliceColumns(view: TensorView, start: number, end: number): TensorView {
  const [rows = 1, columns = 1] = view.shape;
  if (start === 0 && end === columns) return view;
  const width = dtypeBytes(view.dtype);
  return {
    dtype: view.dtype,
    shape: [rows, end - start],
    source: `${view.source}[:, ${start}:${end}]`,
    *locate(from, to) {
      for (const part of rowParts(from, to, (end - start) * width)) {
        const offset = (part.row * columns + start) * width;
        yield* view.locate(offset + part.start, offset + part.end);
      }
    },
  };
}

/** Indices `start` to `end` (exclusive) of any dimension. */
export function sliceDimension(view: TensorView, dim: number, start: number, end: number): TensorView {
  if (dim === 0) return sliceRows(view, start, end);
  const { shape } = view;
  if (start === 0 && end === shape[dim]) return view;
  const { matrix, inner } = asMatrix(view, dim);
  const part = sliceColumns(matrix, start * inner, end * inner);
  return { ...part, shape: shape.map((size, index) => (index === dim ? end - start : size)) };
}

/** Views of equal shapes but for one dimension, along which they follow one another. */
export function stackDimension(views: readonly TensorView[], dim: number): TensorView {
  const [first] = views;
  if (first === undefined || views.length === 1) return first ?? nothing();
  if (dim === 0) return stackRows(views);
  const joined = stackColumns(views.map((view) => asMatrix(view, dim).matrix));
  const size = views.reduce((sum, { shape }) => sum + (shape[dim] ?? 1), 0);
  return { ...joined, shape: first.shape.map((own, index) => (index === dim ? size : own)) };
}

/** Everything before a dimension as rows. @returns inner: elements of one index of that dimension */
function asMatrix(view: TensorView, dim: number): { matrix: TensorView; inner: number } {
  const count = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);
  const shape = [count(view.shape.slice(0, dim)), count(view.shape.slice(dim))];
  return { matrix: { ...view, shape }, inner: count(view.shape.slice(dim + 1)) };
}

/** Views one under the other: equal in all but the first dimension. */
export function stackRows(views: readonly TensorView[]): TensorView {
  const [first] = views;
  if (first === undefined || views.length === 1) return first ?? nothing();
  return {
    dtype: first.dtype,
    shape: [views.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0), ...first.shape.slice(1)],
    source: views.map(({ source }) => source).join(' + '),
    *locate(from, to) {
      let offset = 0;
      for (const view of views) {
        const bytes = viewBytes(view);
        const start = Math.max(from - offset, 0);
        const end = Math.min(to - offset, bytes);
        if (start < end) yield* view.locate(start, end);
        offset += bytes;
      }
    },
  };
}

/** The index `index` of the first dimension, which is gone. */
export function selectRow(view: TensorView, index: number): TensorView {
  const row = sliceRows(view, index, index + 1);
  return { ...row, shape: view.shape.slice(1), source: `${view.source}[${index}]`, integers: undefined };
}

/** Views of one dtype and shape along a new first dimension. */
export function stackTensors(views: readonly TensorView[]): TensorView {
  const shape = [views.length, ...(views[0] ?? nothing()).shape];
  const source = views.length === 1 ? undefined : `${views[0]?.source} … ${views.at(-1)?.source}`;
  const rows = stackRows(views);
  return { ...rows, shape, source: source ?? rows.source, integers: undefined };
}

/** Matrices side by side: equal in the first dimension. */
export function stackColumns(views: readonly TensorView[]): TensorView {
  const [first] = views;
  if (first === undefined || views.length === 1) return first ?? nothing();
  const width = dtypeBytes(first.dtype);
  const columns = views.map(({ shape }) => shape[1] ?? 1);
  const total = columns.reduce((sum, size) => sum + size, 0);
  return {
    dtype: first.dtype,
    shape: [first.shape[0] ?? 1, total],
    source: views.map(({ source }) => source).join(' | '),
    *locate(from, to) {
      for (const part of rowParts(from, to, total * width)) {
        let offset = 0;
        for (const [index, view] of views.entries()) {
          const bytes = (columns[index] ?? 0) * width;
          const start = Math.max(part.start - offset, 0);
          const end = Math.min(part.end - offset, bytes);
          if (start < end) yield* view.locate(part.row * bytes + start, part.row * bytes + end);
          offset += bytes;
        }
      }
    },
  };
}

/** Row 0 of each view, then row 1 of each, and so on. All have one shape. */
export function interleaveRows(views: readonly TensorView[]): TensorView {
  const [first] = views;
  if (first === undefined || views.length === 1) return first ?? nothing();
  const rowBytes = bytesPerRow(first);
  return {
    dtype: first.dtype,
    shape: [(first.shape[0] ?? 1) * views.length, ...first.shape.slice(1)],
    source: views.map(({ source }) => source).join(' ~ '),
    *locate(from, to) {
      for (const { row, start, end } of rowParts(from, to, rowBytes)) {
        const offset = Math.floor(row / views.length) * rowBytes;
        yield* views[row % views.length]!.locate(offset + start, offset + end);
      }
    },
  };
}

function nothing(): never {
  throw new RangeError('A view needs at least one part.');
}

function bytesPerRow({ dtype, shape }: TensorView): number {
  return shape.slice(1).reduce((product, size) => product * size, dtypeBytes(dtype));
}

/** The rows that the bytes `from` to `to` touch, each with the part of it that they cover. */
export function* rowParts(
  from: number,
  to: number,
  rowBytes: number,
): Generator<{ row: number; start: number; end: number }, void> {
  for (let position = from; position < to; ) {
    const row = Math.floor(position / rowBytes);
    const start = position - row * rowBytes;
    const end = Math.min(rowBytes, start + to - position);
    yield { row, start, end };
    position += end - start;
  }
}
