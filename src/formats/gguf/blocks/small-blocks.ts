/**
 * Blocks of 32 weights: a float16 scale (d), a float16 minimum (m) in some, and the codes. Codes of four bits: the low halves of
 * the bytes are the first 16 weights, the high halves the others
 * (layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h).
 */
import { float16Values } from '../../tensors/float16.js';
import { type DecodeBlocks, NONLINEAR_LEVELS } from './block-decoder.js';

const BLOCK = 32;
const HALF = 16;

/** d, 16 bytes of codes: d * (x - 8). */
export const decodeQ4_0: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 18, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let index = 0; index < HALF; index++) {
      const code = bytes[at + 2 + index]!;
      weights[out + index] = d * ((code & 15) - 8);
      weights[out + HALF + index] = d * ((code >> 4) - 8);
    }
  }
};

/** d, m, 16 bytes of codes: d * x + m. */
export const decodeQ4_1: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 20, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let index = 0; index < HALF; index++) {
      const code = bytes[at + 4 + index]!;
      weights[out + index] = d * (code & 15) + m;
      weights[out + HALF + index] = d * (code >> 4) + m;
    }
  }
};

/** d, the fifth bits of all codes in 4 bytes, 16 bytes of codes: d * (x - 16). */
export const decodeQ5_0: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 22, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const low = bytes[at + 2]! | (bytes[at + 3]! << 8);
    const high = bytes[at + 4]! | (bytes[at + 5]! << 8);
    for (let index = 0; index < HALF; index++) {
      const code = bytes[at + 6 + index]!;
      weights[out + index] = d * (((code & 15) | (((low >> index) & 1) << 4)) - 16);
      weights[out + HALF + index] = d * (((code >> 4) | (((high >> index) & 1) << 4)) - 16);
    }
  }
};

/** d, m, the fifth bits, 16 bytes of codes: d * x + m. */
export const decodeQ5_1: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 24, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    const low = bytes[at + 4]! | (bytes[at + 5]! << 8);
    const high = bytes[at + 6]! | (bytes[at + 7]! << 8);
    for (let index = 0; index < HALF; index++) {
      const code = bytes[at + 8 + index]!;
      weights[out + index] = d * ((code & 15) | (((low >> index) & 1) << 4)) + m;
      weights[out + HALF + index] = d * ((code >> 4) | (((high >> index) & 1) << 4)) + m;
    }
  }
};

/** d, 32 signed bytes: d * x. */
export const decodeQ8_0: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 34, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let index = 0; index < BLOCK; index++)
      weights[out + index] = d * ((bytes[at + 2 + index]! << 24) >> 24);
  }
};

/** d, 16 bytes of codes: d * level[x]. */
export const decodeIQ4_NL: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  const levels = Float64Array.from(NONLINEAR_LEVELS);
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 18, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let index = 0; index < HALF; index++) {
      const code = bytes[at + 2 + index]!;
      weights[out + index] = d * levels[code & 15]!;
      weights[out + HALF + index] = d * levels[code >> 4]!;
    }
  }
};
