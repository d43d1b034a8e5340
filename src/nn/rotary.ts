/**
 * Rotary position embedding (RoPE), half-rotated: element j of a head pairs with element j + E/2, and each pair is
 * rotated by position * base^(-2j/E).
 *
 * Angles are computed in float64 and rounded once, to the dtype of the queries. Shapes: B batch, H heads, T tokens, E
 * head_dim.
 */
import { arange, cat, type DType, floatTensor, operator, type Tensor } from '../tensor/index.js';

const rotary = operator('xinghe::rotary');

export interface Rotary {
  readonly cos: Tensor; // [T, E], or [B, 1, T, E]
  readonly sin: Tensor;
}

export interface RotaryOptions {
  /** First position. */
  readonly start: number;
  /** Number of positions. */
  readonly length: number;
  readonly headDim: number;
  readonly base: number;
  /** Each frequency is divided by its own. Default: none is. */
  readonly divisors?: readonly number[] | undefined; // [E/2]
  /** Factor on cos and sin. Default 1. */
  readonly scale?: number;
  readonly dtype: DType;
  readonly device: string;
}

/** cos and sin for positions start … start + length - 1. */
export function rotaryTable({
  start,
  length,
  headDim,
  base,
  divisors,
  scale = 1,
  dtype,
  device,
}: RotaryOptions): Rotary {
  const float64 = { dtype: 'float64', device } as const;
  const exponents = arange(0, headDim / 2, float64).mul(-2 / headDim);
  const plain = exponents.mul(Math.log(base)).exp(); // [E/2]
  const frequencies =
    divisors === undefined ? plain : plain.div(floatTensor(divisors, [headDim / 2], float64));
  const angles = arange(start, start + length, float64)
    .unsqueeze(1)
    .mul(frequencies); // [T, E/2]
  const table = (half: Tensor): Tensor => cat([half, half], 1).mul(scale).to(dtype);
  return { cos: table(angles.cos()), sin: table(angles.sin()) };
}

/** Turns queries or keys; the result lies in memory as x does. @param x [B, H, T, E] */
export function applyRotary(x: Tensor, { cos, sin }: Rotary): Tensor {
  return rotary(x, cos, sin);
}
