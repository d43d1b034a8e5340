/**
 * Weights into blocks of 256 ("K-quants"): scales of small groups by least squares over several tries, each weight counting by its
 * square, then rounded to the few bits that a block has for them.
 */
import { float16Bits, float16Values } from '../../tensors/float16.js';
import type { EncodeBlock } from './block-encoder.js';

interface Line {
  readonly scale: number;
  /** Taken off: from 0. */
  readonly minimum: number;
}

/** So far the tries of a scale reach on either side of the plain one, in tenths of an integer. */
const TRIES = 9;

/** scale * q - minimum for integers q from 0 to `most`, near to the weights of a group. */
function lineOf(weights: Float32Array, first: number, count: number, most: number): Line {
  let [low, high] = [0, Number.NEGATIVE_INFINITY];
  for (let index = first; index < first + count; index++) {
    low = Math.min(low, weights[index]!);
    high = Math.max(high, weights[index]!);
  }
  if (high <= low) return { scale: 0, minimum: -low };
  let best: Line = { scale: (high - low) / most, minimum: -low };
  let least = lossOf(weights, first, count, most, best);
  for (let step = -TRIES; step <= TRIES; step++) {
    const inverse = (most + step / 10) / (high - low);
    let [sum, sumQ, sumQQ, sumX, sumXQ] = [0, 0, 0, 0, 0];
    for (let index = first; index < first + count; index++) {
      const x = weights[index]!;
      const q = Math.min(most, Math.max(0, Math.round(inverse * (x - low))));
      const w = x * x + 1e-12;
      sum += w;
      sumQ += w * q;
      sumQQ += w * q * q;
      sumX += w * x;
      sumXQ += w * x * q;
    }
    const determinant = sum * sumQQ - sumQ * sumQ;
    if (determinant <= 0) continue;
    const scale = (sum * sumXQ - sumX * sumQ) / determinant;
    const offset = (sumQQ * sumX - sumQ * sumXQ) / determinant;
    const tried = offset > 0 ? { scale: sumXQ / sumQQ, minimum: 0 } : { scale, minimum: -offset };
    if (!(tried.scale > 0)) continue;
    const loss = lossOf(weights, first, count, most, tried);
    if (loss < least) {
      least = loss;
      best = tried;
    }
  }
  return best;
}

function lossOf(
  weights: Float32Array,
  first: number,
  count: number,
  most: number,
  { scale, minimum }: Line,
): number {
  let loss = 0;
  for (let index = first; index < first + count; index++) {
    const x = weights[index]!;
    const q = Math.min(most, Math.max(0, Math.round((x + minimum) / scale)));
    const difference = scale * q - minimum - x;
    loss += (x * x + 1e-12) * difference * difference;
  }
  return loss;
}

/** Eight groups of 32: 6 bits of scale and of minimum each, 4 bits a weight. */
export const encodeQ4_K: EncodeBlock = (weights, first, packed, at) => {
  const lines = Array.from({ length: 8 }, (_, group) => lineOf(weights, first + group * 32, 32, 15));
  const half = float16Values();
  const [dBits, mBits] = [largest(lines, 'scale'), largest(lines, 'minimum')].map((value) =>
    float16Bits(value / 63),
  );
  const [d, m] = [half[dBits!]!, half[mBits!]!];
  packed[at] = dBits!;
  packed[at + 1] = dBits! >> 8;
  packed[at + 2] = mBits!;
  packed[at + 3] = mBits! >> 8;
  for (const [group, line] of lines.entries()) {
    const scale = sixBits(line.scale, d);
    const minimum = sixBits(line.minimum, m);
    putScale(packed, at + 4, group, scale, minimum);
    const [step, off] = [d * scale, m * minimum];
    for (let index = 0; index < 32; index++) {
      const x = weights[first + group * 32 + index]!;
      const q = step === 0 ? 0 : Math.min(15, Math.max(0, Math.round((x + off) / step)));
      packed[at + 16 + (group >> 1) * 32 + index]! |= q << (4 * (group & 1));
    }
  }
};

function largest(lines: readonly Line[], key: keyof Line): number {
  return Math.max(...lines.map((line) => line[key]));
}

function sixBits(value: number, unit: number): number {
  return unit === 0 ? 0 : Math.min(63, Math.max(0, Math.round(value / unit)));
}

/** Groups 4 to 7 have their low four bits in the last bytes and their high two above those of groups 0 to 3. */
function putScale(packed: Uint8Array, at: number, group: number, scale: number, minimum: number): void {
  if (group < 4) {
    packed[at + group]! |= scale;
    packed[at + group + 4]! |= minimum;
    return;
  }
  packed[at + group + 4] = (scale & 15) | ((minimum & 15) << 4);
  packed[at + group - 4]! |= (scale >> 4) << 6;
  packed[at + group]! |= (minimum >> 4) << 6;
}

/** Sixteen groups of 16 with a signed byte of scale each, 6 bits a weight: d * s * (q - 32). */
export const encodeQ6_K: EncodeBlock = (weights, first, packed, at) => {
  const scales = Array.from({ length: 16 }, (_, group) => symmetricScale(weights, first + group * 16, 16));
  let extreme = 0;
  for (const scale of scales) if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
  const bits = float16Bits(Math.abs(extreme) / 127);
  // A negative unit would do as well; a positive one needs no sign of float16Bits.
  const d = float16Values()[bits]!;
  packed[at + 208] = bits;
  packed[at + 209] = bits >> 8;
  for (const [group, scale] of scales.entries()) {
    const integer = d === 0 ? 0 : Math.min(127, Math.max(-128, Math.round(scale / d)));
    packed[at + 192 + group] = integer;
    const step = d * integer;
    for (let index = 0; index < 16; index++) {
      const place = group * 16 + index;
      const x = weights[first + place]!;
      const q = step === 0 ? 32 : Math.min(63, Math.max(0, Math.round(x / step) + 32));
      const low = at + (place >> 7) * 64 + (place & 63);
      packed[low]! |= (q & 15) << (4 * ((place >> 6) & 1));
      const high = at + 128 + (place >> 7) * 32 + (place & 31);
      packed[high]! |= (q >> 4) << (2 * ((place >> 5) & 3));
    }
  }
};

/** scale * q for integers q from -32 to 31, near to the weights of a group: the one that reaches furthest is near -32. */
function symmetricScale(weights: Float32Array, first: number, count: number): number {
  let extreme = 0;
  for (let index = first; index < first + count; index++)
    if (Math.abs(weights[index]!) > Math.abs(extreme)) extreme = weights[index]!;
  if (extreme === 0) return 0;
  let [best, most] = [0, 0];
  for (let step = -TRIES; step <= TRIES; step++) {
    const inverse = -(32 + step / 10) / extreme;
    let [sumXQ, sumQQ] = [0, 0];
    for (let index = first; index < first + count; index++) {
      const x = weights[index]!;
      const q = Math.min(31, Math.max(-32, Math.round(inverse * x)));
      sumXQ += x * x * x * q;
      sumQQ += x * x * q * q;
    }
    // What least squares saves of the sum of squares.
    const saved = sumQQ === 0 ? 0 : (sumXQ * sumXQ) / sumQQ;
    if (saved > most) {
      most = saved;
      best = sumXQ / sumQQ;
    }
  }
  return best;
}
