/** Float32 weights packed into blocks of Q8_0, the one kind that is written. */
import { ggufQuantizationLayout } from './gguf-types.js';

const WIDTH = 4;
const { blockSize: BLOCK, blockBytes: BYTES } = ggufQuantizationLayout('Q8_0');

/**
 * d = max|x| / 127 as float16, then round(x / d) as 32 signed bytes: to the bit as llama.cpp does it, in float32 with halves rounded away
 * from zero.
 * @param pieces bytes of float32, little-endian; in all a whole number of blocks, cut anywhere
 */
export function* packQ8_0(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  let rest: Uint8Array = new Uint8Array(0);
  for (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const blocks = Math.floor(bytes.length / (BLOCK * WIDTH));
    // A copy: aligned, and still there when the next piece takes its place.
    const whole = bytes.slice(0, blocks * BLOCK * WIDTH);
    rest = bytes.slice(whole.length);
    yield packBlocks(new Float32Array(whole.buffer, whole.byteOffset, blocks * BLOCK));
  }
  if (rest.length > 0) throw new RangeError(`${rest.length} bytes are left that make no block.`);
}

function packBlocks(weights: Float32Array): Uint8Array {
  const packed = new Uint8Array((weights.length / BLOCK) * BYTES);
  for (let first = 0, at = 0; first < weights.length; first += BLOCK, at += BYTES) {
    let largest = 0;
    for (let index = first; index < first + BLOCK; index++)
      largest = Math.max(largest, Math.abs(weights[index]!));
    const d = Math.fround(largest / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    const bits = float16Bits(d);
    packed[at] = bits;
    packed[at + 1] = bits >> 8;
    for (let index = 0; index < BLOCK; index++) {
      const scaled = Math.fround(weights[first + index]! * inverse);
      packed[at + 2 + index] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
  return packed;
}

/** The nearest float16 of a number from 0, ties to even. */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  if (value >= 65_520) return 0x7c00;
  if (value < 2 ** -14) return roundEven(value * 2 ** 24);
  const exponent = Math.floor(Math.log2(value));
  // A fraction that rounds up to 2 carries into the exponent.
  return ((exponent + 14) << 10) + roundEven(value * 2 ** (10 - exponent));
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  return part > 0.5 || (part === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
