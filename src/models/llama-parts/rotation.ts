/**
 * How positions turn queries and keys in the Llama layout, and how that is stretched beyond the length of training. With
 * f_j = base^(-2j/E), element j of a head turns by position * f_j / divisor_j.
 *
 * Formulas as in transformers (modeling_rope_utils.py): linear (position interpolation), dynamic (NTK-aware), llama3, and
 * YaRN (Peng et al., arXiv 2309.00071). E head_dim.
 */
import type { RotaryParameters } from '../causal-lm.js';
import { dynamicNtkBase } from '../ntk.js';

export interface Rotation {
  readonly base: number;
  /** Default: every frequency as it is. */
  readonly divisors?: readonly number[] | undefined; // [E/2]
  /** Factor on cos and sin. Default 1. */
  readonly scale?: number | undefined;
  /** Beyond `trained` tokens the base grows with the length of the sequence (dynamicNtkBase). Default: it does not. */
  readonly dynamic?: { readonly factor: number; readonly trained: number } | undefined;
}

/** Of a sequence of `length` tokens. */
export function rotaryParametersAt(
  { base, divisors, scale, dynamic }: Rotation,
  headDim: number,
  length: number,
): RotaryParameters {
  return {
    base: dynamic === undefined ? base : dynamicNtkBase(base, headDim, length, dynamic),
    ...(divisors !== undefined && { divisors }),
    ...(scale !== undefined && { scale }),
  };
}

/** f_j for j = 0 … E/2 - 1. */
function frequencies(base: number, headDim: number): number[] {
  return Array.from({ length: headDim / 2 }, (_, j) => base ** ((-2 * j) / headDim));
}

/** Every position counts as `factor` times less. */
export function linearDivisors(headDim: number, factor: number): number[] {
  return new Array<number>(headDim / 2).fill(factor);
}

export interface Llama3Stretch {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  /** Length of training before the stretch. */
  readonly original: number;
}

/**
 * Waves shorter than original / highFreqFactor stay, those longer than original / lowFreqFactor become `factor` times
 * longer, between them frequencies are mixed.
 */
export function llama3Divisors(
  base: number,
  headDim: number,
  { factor, lowFreqFactor: low, highFreqFactor: high, original }: Llama3Stretch,
): number[] {
  return frequencies(base, headDim).map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

export interface YarnStretch {
  readonly factor: number;
  /** Length of training before the stretch. */
  readonly original: number;
  /** Turns within `original` tokens from which on a frequency stays as it is. */
  readonly betaFast: number;
  /** Turns up to which a frequency is divided by the factor. */
  readonly betaSlow: number;
  /** Whether the bounds between them are whole numbers. */
  readonly truncate: boolean;
}

export function yarnDivisors(
  base: number,
  headDim: number,
  { factor, original, betaFast, betaSlow, truncate }: YarnStretch,
): number[] {
  /** The element that turns `turns` times within the original length. */
  const element = (turns: number): number =>
    (headDim * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(base));
  const [fast, slow] = [element(betaFast), element(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const end = Math.min(truncate ? Math.ceil(slow) : slow, headDim - 1);
  const high = low === end ? end + 0.001 : end; // nothing to divide by otherwise
  return Array.from({ length: headDim / 2 }, (_, j) => {
    const ramp = Math.min(Math.max((j - low) / (high - low), 0), 1);
    return 1 / (ramp / factor + 1 - ramp);
  });
}

/** YaRN's factor on cos and sin for one of its `mscale` keys: 0.1 mscale ln(factor) + 1. */
export function yarnScale(factor: number, mscale = 1): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}
