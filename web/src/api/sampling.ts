/** What a request may set about sampling; absent: as the model has it. */
import { asNumber, field } from './json.js';

export const SAMPLING_FIELDS = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'presence_penalty',
  'frequency_penalty',
  'max_tokens',
  'seed',
] as const;

export type SamplingField = (typeof SAMPLING_FIELDS)[number];
export type Sampling = { readonly [name in SamplingField]?: number };

interface Range {
  readonly min: number;
  readonly max: number;
  /** The ends of the slider: what is usual. Absent: none is shown. */
  readonly slider?: readonly [number, number];
  readonly step: number;
  /** Where the server does not say. undefined: nothing is set. */
  readonly otherwise: number | undefined;
}

export const SAMPLING_RANGES: Readonly<Record<SamplingField, Range>> = {
  temperature: { min: 0, max: 2, slider: [0, 2], step: 0.05, otherwise: 1 },
  top_p: { min: 0, max: 1, slider: [0, 1], step: 0.01, otherwise: 1 },
  top_k: { min: 0, max: 1_000_000, slider: [0, 100], step: 1, otherwise: 0 },
  min_p: { min: 0, max: 1, slider: [0, 1], step: 0.01, otherwise: 0 },
  repetition_penalty: { min: 0.01, max: 10, slider: [0.8, 2], step: 0.01, otherwise: 1 },
  presence_penalty: { min: -2, max: 2, slider: [-2, 2], step: 0.1, otherwise: 0 },
  frequency_penalty: { min: -2, max: 2, slider: [-2, 2], step: 0.1, otherwise: 0 },
  max_tokens: { min: 1, max: 131_072, step: 1, otherwise: undefined },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, otherwise: undefined },
};

/** llama.cpp's /props calls some of them otherwise. */
const OTHER_NAMES: Readonly<Partial<Record<SamplingField, string>>> = {
  repetition_penalty: 'repeat_penalty',
  max_tokens: 'n_predict',
};

/** Numbers within their ranges; the rest of what stands there is passed over. */
export function readSampling(value: unknown): Sampling {
  const entries = SAMPLING_FIELDS.flatMap((name) => {
    const found = asNumber(field(value, name)) ?? asNumber(field(value, OTHER_NAMES[name] ?? name));
    const { min, max } = SAMPLING_RANGES[name];
    return found !== undefined && found >= min && found <= max ? [[name, found] as const] : [];
  });
  return Object.fromEntries(entries);
}
