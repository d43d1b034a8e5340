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
  readonly least: number;
  readonly greatest: number;
  /** The ends of the slider: what is usual. Absent: none is shown. */
  readonly slider?: readonly [number, number];
  readonly step: number;
  /** Where the server does not say. undefined: nothing is set. */
  readonly otherwise: number | undefined;
}

export const SAMPLING_RANGES: Readonly<Record<SamplingField, Range>> = {
  temperature: { least: 0, greatest: 2, slider: [0, 2], step: 0.05, otherwise: 1 },
  top_p: { least: 0, greatest: 1, slider: [0, 1], step: 0.01, otherwise: 1 },
  top_k: { least: 0, greatest: 1_000_000, slider: [0, 100], step: 1, otherwise: 0 },
  min_p: { least: 0, greatest: 1, slider: [0, 1], step: 0.01, otherwise: 0 },
  repetition_penalty: { least: 0.01, greatest: 10, slider: [0.8, 2], step: 0.01, otherwise: 1 },
  presence_penalty: { least: -2, greatest: 2, slider: [-2, 2], step: 0.1, otherwise: 0 },
  frequency_penalty: { least: -2, greatest: 2, slider: [-2, 2], step: 0.1, otherwise: 0 },
  max_tokens: { least: 1, greatest: 131_072, step: 1, otherwise: undefined },
  seed: { least: 0, greatest: Number.MAX_SAFE_INTEGER, step: 1, otherwise: undefined },
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
    const { least, greatest } = SAMPLING_RANGES[name];
    return found !== undefined && found >= least && found <= greatest ? [[name, found] as const] : [];
  });
  return Object.fromEntries(entries);
}
