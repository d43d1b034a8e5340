/** Weights into blocks of 32: Q4_0 and Q8_0, to the bit as llama.cpp's Python package does it. */
import { float16Bits } from '../../tensors/float16.js';
import type { EncodeBlock } from './block-encoder.js';

const BLOCK = 32;
const HALF = 16;

/** d = max|x| / 127 as float16, then round(x / d) as 32 signed bytes, in float32 with halves rounded away from zero. */
export const encodeQ8_0: EncodeBlock = (weights, first, packed, at) => {
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
};

/** The weight that reaches furthest is -8 d: the side that it is on has one integer more. */
export const encodeQ4_0: EncodeBlock = (weights, first, packed, at) => {
  let extreme = 0;
  for (let index = first; index < first + BLOCK; index++)
    if (Math.abs(weights[index]!) > Math.abs(extreme)) extreme = weights[index]!;
  const d = Math.fround(extreme / -8);
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  const bits = float16Bits(d);
  packed[at] = bits;
  packed[at + 1] = bits >> 8;
  // Not rounded between product and sum, as a processor that does both at once.
  const code = (index: number): number =>
    Math.min(15, Math.max(0, Math.trunc(weights[first + index]! * inverse + 8.5)));
  for (let index = 0; index < HALF; index++) packed[at + 2 + index] = code(index) | (code(HALF + index) << 4);
};
