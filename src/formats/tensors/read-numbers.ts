/** The content of small tensors as numbers of JavaScript. */
import { float16Values } from './float16.js';
import { readView, type TensorView, viewBytes } from './tensor-view.js';

/** Of float32, float16 or bfloat16, exactly. Throws RangeError for another dtype (a fault of the caller). */
export function readFloats(view: TensorView): Float32Array {
  const bytes = readBytes(view);
  switch (view.dtype) {
    case 'float32':
      return new Float32Array(bytes.buffer);
    case 'float16': {
      const half = float16Values();
      return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => half[bits]!);
    }
    case 'bfloat16':
      return new Float32Array(Int32Array.from(new Uint16Array(bytes.buffer), (bits) => bits << 16).buffer);
    default:
      throw new RangeError(`${view.source} is ${view.dtype}, no float of up to 32 bits`);
  }
}

/** Of int32. Throws RangeError for another dtype (a fault of the caller). */
export function readInt32(view: TensorView): Int32Array {
  if (view.dtype !== 'int32') throw new RangeError(`${view.source} is ${view.dtype}, not int32`);
  return new Int32Array(readBytes(view).buffer);
}

/** All bytes, in a buffer of their own, so that elements of any width are aligned. */
export function readBytes(view: TensorView): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(viewBytes(view));
  let filled = 0;
  for (const piece of readView(view)) {
    bytes.set(piece, filled);
    filled += piece.byteLength;
  }
  return bytes;
}
