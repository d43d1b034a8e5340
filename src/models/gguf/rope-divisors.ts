/**
 * The tensor rope_freqs.weight, by whose values llama.cpp divides the rotary frequencies: the only trace of Llama 3's scaling in
 * a GGUF. The divisors themselves are computed with; the numbers of a config from which they were made are found again here, for
 * programs that read such a config.
 */

export interface Llama3Scaling {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** Divisors are float32, and so was the arithmetic that made them. */
const TOLERANCE = 2e-6;

/**
 * Llama 3's scaling with these divisors, low_freq_factor being 1: the others only have a meaning relative to it.
 * @param divisors [E/2] @returns undefined where no such scaling has them
 */
export function fitLlama3(divisors: readonly number[], base: number): Llama3Scaling | undefined {
  const factor = Math.max(...divisors);
  if (!(factor > 1) || divisors.some((divisor) => divisor < 1)) return undefined;
  const wavelengths = divisors.map((_, j) => 2 * Math.PI * base ** (j / divisors.length));
  return candidates(divisors, wavelengths, shorten(factor)).find((scaling) =>
    llama3Divisors(wavelengths, scaling).every(
      (divisor, j) => Math.abs(divisor / (divisors[j] ?? Number.NaN) - 1) <= TOLERANCE,
    ),
  );
}

function llama3Divisors(
  wavelengths: readonly number[],
  {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  }: Llama3Scaling,
): number[] {
  return wavelengths.map((wavelength) => {
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** What Llama 3.1 to 3.3 have; lengths for other models. */
const USUAL_HIGH = 4;
const USUAL_LENGTHS = [8192, ...Array.from({ length: 17 }, (_, power) => 2 ** (power + 4))];

/**
 * Between both ends, 1/divisor = (1 - s)/factor + s with s = (L/wavelength - 1)/(high - 1): linear in 1/wavelength. Two such
 * elements give L and high; one gives L for a high of 4; without any, the usual lengths are tried.
 */
function candidates(
  divisors: readonly number[],
  wavelengths: readonly number[],
  factor: number,
): Llama3Scaling[] {
  const scaling = (length: number, high: number): Llama3Scaling => ({
    factor,
    low_freq_factor: 1,
    high_freq_factor: high,
    original_max_position_embeddings: Math.round(length),
  });
  const points = divisors.flatMap((divisor, j) => {
    const x = 1 / (wavelengths[j] ?? Number.NaN);
    const s = (1 / divisor - 1 / factor) / (1 - 1 / factor);
    return s > 1e-4 && s < 1 - 1e-4 ? [{ x, s }] : [];
  });
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined)
    return USUAL_LENGTHS.map((length) => scaling(length, USUAL_HIGH));
  if (first === last) return [scaling((1 + first.s * (USUAL_HIGH - 1)) / first.x, USUAL_HIGH)];
  const slope = (first.s - last.s) / (first.x - last.x); // L / (high - 1)
  const offset = slope * first.x - first.s; // 1 / (high - 1)
  return [scaling(slope / offset, shorten(1 + 1 / offset))];
}

/** Four digits: the numbers of configs have no more. */
function shorten(value: number): number {
  return Number(value.toPrecision(4));
}
