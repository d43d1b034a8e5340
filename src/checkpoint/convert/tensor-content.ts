/** Bytes of a view in another dtype, or with a LoRA update merged in; chunk by chunk. */
import { type FileDtype, readView, sliceRows, streamView, type TensorView } from '../../formats/index.js';
import {
  type FloatDType,
  isFloatDType,
  noGrad,
  operator,
  scope,
  type Tensor,
  tensorFromBytes,
} from '../../tensor/index.js';

/** About what one piece may hold. */
const CHUNK_BYTES = 2 ** 24;

/** W + scale * B A, of which this file holds some rows. */
export interface LowRankUpdate {
  readonly a: TensorView; // [R, I]
  readonly b: TensorView; // [O, R]
  readonly scale: number;
  /** out-in: W is [O, I]; in-out: [I, O]. */
  readonly layout: 'out-in' | 'in-out';
  /** The length that each output gets (DoRA). Default: as it comes. */
  readonly magnitude?: TensorView | undefined; // [O]
}

/** Is the dtype one that can be cast and computed with? */
export function isCastable(dtype: FileDtype): dtype is FloatDType {
  return isFloatDType(dtype);
}

/** Rounded to the nearest, ties to even, as PyTorch's `to` does. Throws TypeError for dtypes that are not floats. */
export function* castView(view: TensorView, dtype: FileDtype): Generator<Uint8Array, void> {
  if (view.dtype === dtype) {
    yield* streamView(view);
    return;
  }
  const [from, to] = [floatDType(view.dtype), floatDType(dtype)];
  for (const piece of streamView(view))
    yield compute(() => tensorOf(piece, [piece.byteLength / WIDTHS[from]], from).to(to));
}

/** Every element times `factor`, computed in float32 (float64 for float64), in `dtype`. */
export function* scaleView(view: TensorView, factor: number, dtype: FileDtype): Generator<Uint8Array, void> {
  const [from, to] = [floatDType(view.dtype), floatDType(dtype)];
  const wide = from === 'float64' ? 'float64' : 'float32';
  for (const piece of streamView(view))
    yield compute(() =>
      tensorOf(piece, [piece.byteLength / WIDTHS[from]], from)
        .to(wide)
        .mul(factor)
        .to(to),
    );
}

/**
 * The weight with the update added and, with a magnitude, each output's part brought to that length; computed in float32
 * (float64 for float64 weights), in `dtype`.
 */
export function* mergeView(
  view: TensorView,
  { a, b, scale, layout, magnitude }: LowRankUpdate,
  dtype: FileDtype,
): Generator<Uint8Array, void> {
  const [from, to] = [floatDType(view.dtype), floatDType(dtype)];
  const [rows = 0, columns = 0] = view.shape;
  const wide = from === 'float64' ? 'float64' : 'float32';
  const [left, right] = scope(() => {
    const [factorA, factorB] = [whole(a).to(wide), whole(b).to(wide)];
    return layout === 'out-in'
      ? [factorB.contiguous(), factorA.contiguous()]
      : [factorA.transpose(0, 1).contiguous(), factorB.transpose(0, 1).contiguous()];
  });
  if (left === undefined || right === undefined) throw new TypeError('two factors make an update');
  const rowsPerPiece = Math.max(1, Math.floor(CHUNK_BYTES / (columns * WIDTHS[wide])));
  const starts = Array.from({ length: Math.ceil(rows / rowsPerPiece) }, (_, index) => index * rowsPerPiece);
  const merged = (start: number): Tensor => {
    const part = sliceRows(view, start, Math.min(rows, start + rowsPerPiece));
    const update = left
      .narrow(0, start, part.shape[0] ?? 0)
      .matmul(right)
      .mul(scale);
    return whole(part).to(wide).add(update);
  };
  const lengths = magnitude === undefined ? undefined : whole(magnitude).to(wide);
  // With layout in-out an output is a column, whose length is known after all rows only.
  const factors =
    lengths === undefined || layout === 'out-in' ? undefined : lengths.div(columnNorms(merged, starts));
  try {
    for (const start of starts)
      yield compute(() => {
        const part = merged(start);
        if (lengths === undefined) return part.to(to);
        if (factors !== undefined) return part.mul(factors).to(to);
        const count = part.size(0);
        const factor = lengths.narrow(0, start, count).div(nonZero(vectorNorm(part, 2, [1])));
        return part.mul(factor.unsqueeze(1)).to(to);
      });
  } finally {
    for (const tensor of [left, right, lengths, factors]) tensor?.dispose();
  }
}

const vectorNorm = operator('aten::linalg_vector_norm');

/** ||.|| of each column of the pieces together [C]. */
function columnNorms(piece: (start: number) => Tensor, starts: readonly number[]): Tensor {
  return noGrad(() =>
    scope(() => {
      let sum: Tensor | undefined;
      for (const start of starts) {
        const squares = scope(() => piece(start).pow(2).sum([0]));
        sum = sum === undefined ? squares : sum.add(squares);
      }
      if (sum === undefined) throw new TypeError('a weight has rows');
      return nonZero(sum.sqrt());
    }),
  );
}

/** A direction of zeros counts as 1 long, as in training. */
function nonZero(norms: Tensor): Tensor {
  return norms.maskedFill(norms.eq(0), 1);
}

/** The vector with `scale` times another one added, computed as mergeView does. */
export function* addView(
  view: TensorView,
  addend: { readonly view: TensorView; readonly scale: number },
  dtype: FileDtype,
): Generator<Uint8Array, void> {
  const [from, to] = [floatDType(view.dtype), floatDType(dtype)];
  const wide = from === 'float64' ? 'float64' : 'float32';
  yield compute(() => whole(view).to(wide).add(whole(addend.view).to(wide).mul(addend.scale)).to(to));
}

/** The view with some rows exchanged, in `dtype`. */
export function* replaceRowsView(
  view: TensorView,
  rows: { readonly view: TensorView; readonly numbers: readonly number[] },
  dtype: FileDtype,
): Generator<Uint8Array, void> {
  let next = 0;
  for (const [index, number] of [...rows.numbers.entries()].sort(([, a], [, b]) => a - b)) {
    if (number > next) yield* castView(sliceRows(view, next, number), dtype);
    yield* castView(sliceRows(rows.view, index, index + 1), dtype);
    next = number + 1;
  }
  const [end = 0] = view.shape;
  if (end > next) yield* castView(sliceRows(view, next, end), dtype);
}

const WIDTHS = { float64: 8, float32: 4, float16: 2, bfloat16: 2 } as const;

function compute(run: () => Tensor): Uint8Array {
  return noGrad(() => {
    const result = scope(run);
    try {
      return result.toBytes();
    } finally {
      result.dispose();
    }
  });
}

function whole(view: TensorView): Tensor {
  return tensorOf(Buffer.concat([...readView(view)]), view.shape, floatDType(view.dtype));
}

function tensorOf(bytes: Uint8Array, shape: readonly number[], dtype: FloatDType): Tensor {
  return tensorFromBytes(bytes, shape, dtype);
}

function floatDType(dtype: FileDtype): FloatDType {
  if (isFloatDType(dtype)) return dtype;
  throw new TypeError(`${dtype} cannot be cast`);
}
