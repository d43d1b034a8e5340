/**
 * Blocks of 256 weights with a scale of their own for each 16 or 32 of them ("K-quants", and IQ4_XS). d and m are float16; i is the
 * place of a weight in its block
 * (layouts: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h).
 */
import { float16Values } from '../../tensors/float16.js';
import { type DecodeBlocks, NONLINEAR_LEVELS } from './block-decoder.js';

const BLOCK = 256;

/** 16 bytes with scale (low) and minimum (high) of 16 weights each, 64 bytes of codes, d, m: d * s * x - m * n. */
export const decodeQ2_K: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 84, out += BLOCK) {
    const codes = at + 16;
    const d = half[bytes[at + 80]! | (bytes[at + 81]! << 8)]!;
    const m = half[bytes[at + 82]! | (bytes[at + 83]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const scale = d * (bytes[at + group]! & 15);
      const minimum = m * (bytes[at + group]! >> 4);
      const first = group * 16;
      const shift = 2 * ((first >> 5) & 3);
      const code = codes + (first >> 7) * 32 + (first & 31);
      for (let index = 0; index < 16; index++)
        weights[out + first + index] = scale * ((bytes[code + index]! >> shift) & 3) - minimum;
    }
  }
};

/** 32 bytes of third bits, 64 of codes, 12 of scales (6 bits), d: d * (s - 32) * (x - 4). */
export const decodeQ3_K: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 110, out += BLOCK) {
    const codes = at + 32;
    const scales = at + 96;
    const d = half[bytes[at + 108]! | (bytes[at + 109]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const low = (bytes[scales + (group & 7)]! >> (4 * (group >> 3))) & 15;
      const high = (bytes[scales + 8 + (group & 3)]! >> (2 * (group >> 2))) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const first = group * 16;
      const shift = 2 * ((first >> 5) & 3);
      const bit = first >> 5;
      const code = codes + (first >> 7) * 32 + (first & 31);
      const mask = at + (first & 31);
      for (let index = 0; index < 16; index++) {
        const x = (bytes[code + index]! >> shift) & 3;
        weights[out + first + index] = scale * (x - ((bytes[mask + index]! >> bit) & 1 ? 0 : 4));
      }
    }
  }
};

/** Scale (low byte) and minimum (next byte) of group 0 to 7 in the 12 bytes from `at`: 6 bits each. */
function scaleAndMinimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return (bytes[at + group]! & 63) | ((bytes[at + group + 4]! & 63) << 8);
  const scale = (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
  const minimum = (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
  return scale | (minimum << 8);
}

/** d, m, 12 bytes of scales and minima, 128 of codes: d * s * x - m * n. */
export const decodeQ4_K: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 144, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let group = 0; group < 8; group++) {
      const packed = scaleAndMinimum(bytes, at + 4, group);
      const scale = d * (packed & 63);
      const minimum = m * (packed >> 8);
      const shift = 4 * (group & 1);
      const code = at + 16 + (group >> 1) * 32;
      const first = out + group * 32;
      for (let index = 0; index < 32; index++)
        weights[first + index] = scale * ((bytes[code + index]! >> shift) & 15) - minimum;
    }
  }
};

/** As Q4_K, with the fifth bits of the codes in 32 bytes before them. */
export const decodeQ5_K: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 176, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = half[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let group = 0; group < 8; group++) {
      const packed = scaleAndMinimum(bytes, at + 4, group);
      const scale = d * (packed & 63);
      const minimum = m * (packed >> 8);
      const shift = 4 * (group & 1);
      const code = at + 48 + (group >> 1) * 32;
      const first = out + group * 32;
      for (let index = 0; index < 32; index++) {
        const high = ((bytes[at + 16 + index]! >> group) & 1) << 4;
        weights[first + index] = scale * (((bytes[code + index]! >> shift) & 15) | high) - minimum;
      }
    }
  }
};

/** 128 bytes of low and 64 of high bits, 16 signed scales, d: d * s * (x - 32). */
export const decodeQ6_K: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 210, out += BLOCK) {
    const d = half[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const scale = d * ((bytes[at + 192 + group]! << 24) >> 24);
      const first = group * 16;
      const low = at + (first >> 7) * 64 + (first & 63);
      const lowShift = 4 * ((first >> 6) & 1);
      const high = at + 128 + (first >> 7) * 32 + (first & 31);
      const highShift = 2 * ((first >> 5) & 3);
      for (let index = 0; index < 16; index++) {
        const x = ((bytes[low + index]! >> lowShift) & 15) | (((bytes[high + index]! >> highShift) & 3) << 4);
        weights[out + first + index] = scale * (x - 32);
      }
    }
  }
};

/** d, 2 bytes of high and 4 of low bits of scales, 128 of codes: d * (s - 32) * level[x]. */
export const decodeIQ4_XS: DecodeBlocks = (bytes, count, weights) => {
  const half = float16Values();
  const levels = Float64Array.from(NONLINEAR_LEVELS);
  for (let block = 0, at = 0, out = 0; block < count; block++, at += 136, out += BLOCK) {
    const d = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const highs = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let group = 0; group < 8; group++) {
      const low = (bytes[at + 4 + (group >> 1)]! >> (4 * (group & 1))) & 15;
      const scale = d * ((low | (((highs >> (2 * group)) & 3) << 4)) - 32);
      const code = at + 8 + group * 16;
      const first = out + group * 32;
      for (let index = 0; index < 16; index++) {
        const packed = bytes[code + index]!;
        weights[first + index] = scale * levels[packed & 15]!;
        weights[first + 16 + index] = scale * levels[packed >> 4]!;
      }
    }
  }
};
