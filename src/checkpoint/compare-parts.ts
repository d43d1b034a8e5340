/** Are the tensors of several ranks the same? Told by samples, so that a checkpoint is not read twice. */
import { dtypeBytes, isStored, readView, type TensorView, viewBytes } from '../formats/index.js';

/** A plan without a conversion has no place for the bytes of tensors with strides. */
export function areReadable(views: readonly TensorView[]): boolean {
  return views.every(isStored);
}

export function allEqual(
  views: readonly TensorView[],
  isEqual: (a: TensorView, b: TensorView) => boolean,
): boolean {
  const [first, ...others] = views;
  return first === undefined || others.every((view) => isEqual(first, view));
}

/** One value all through, as biases are before training: equal parts tell nothing then. */
export function isConstant(view: TensorView): boolean {
  const width = dtypeBytes(view.dtype);
  const bytes = Math.min(SAMPLE_BYTES, viewBytes(view));
  const [start] = readView({ ...view, dtype: 'uint8', shape: [bytes] }, bytes);
  if (start === undefined) return true;
  return start.every((byte, index) => byte === start[index % width]);
}

/** Bytes compared at the start, in the middle and at the end. */
const SAMPLE_BYTES = 4096;

/** Enough to tell parts of trained weights apart. */
export function sameSamples(a: TensorView, b: TensorView): boolean {
  return viewBytes(a) === viewBytes(b) && samplesOf(a) === samplesOf(b);
}

export function samplesOf(view: TensorView): string {
  const bytes = viewBytes(view);
  const last = Math.max(0, bytes - SAMPLE_BYTES);
  const samples = [0, Math.floor(last / 2), last].flatMap((start) => [
    ...readView({
      dtype: 'uint8',
      shape: [Math.min(SAMPLE_BYTES, bytes)],
      source: view.source,
      locate: (from, to) => view.locate(start + from, start + to),
    }),
  ]);
  return Buffer.concat(samples).toString('latin1');
}
