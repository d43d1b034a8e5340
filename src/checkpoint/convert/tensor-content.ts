/** Bytes of a view in another dtype, or with a LoRA update merged in; chunk by chunk. */
import { type FileDtype, readView, sliceRows, streamView, type TensorView } from '../../formats/index.js';
import {
  type FloatDType,
  isFloatDType,
  noGrad,
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

/** The weight with the update added, computed in float32 (float64 for float64 weights), in `dtype`. */
export function* mergeView(
  view: TensorView,
  { a, b, scale, layout }: LowRankUpdate,
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
  try {
    for (let start = 0; start < rows; start += rowsPerPiece) {
      const part = sliceRows(view, start, Math.min(rows, start + rowsPerPiece));
      const count = part.shape[0] ?? 0;
      yield compute(() => {
        const update = left.narrow(0, start, count).matmul(right).mul(scale);
        return whole(part).to(wide).add(update).to(to);
      });
    }
  } finally {
    left.dispose();
    right.dispose();
  }
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
