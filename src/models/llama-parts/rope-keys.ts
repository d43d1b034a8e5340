/**
 * The keys of a config that say how positions turn queries and keys, old style (rope_theta, rope_scaling) and new style
 * (rope_parameters), and the rotation that they mean.
 */
import { z } from 'zod';
import { linearDivisors, llama3Divisors, type Rotation, yarnDivisors, yarnScale } from './rotation.js';

const ropeTypes = ['default', 'linear', 'dynamic', 'llama3', 'yarn', 'telechat3-yarn', 'divisors'] as const;
type RopeType = (typeof ropeTypes)[number];

const typeName = z.custom<RopeType>((value) => ropeTypes.some((known) => known === value), {
  error: ({ input }) =>
    input === 'longrope' || input === 'su'
      ? 'longrope, the rotation of Phi-3 and MiniCPM, is not read here'
      : `no rotation that is known here (${ropeTypes.join(', ')})`,
});

const positive = z.number().positive();

const ropeDictionary = z.strictObject({
  rope_type: typeName.nullish(),
  type: typeName.nullish(),
  rope_theta: positive.nullish(),
  factor: z.number().min(1).nullish(),
  original_max_position_embeddings: z.int().positive().nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: z.number().nonnegative().nullish(),
  beta_slow: z.number().nonnegative().nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
  partial_rotary_factor: z.literal(1, { error: 'only 1, the whole of each head turns' }).nullish(),
  // Of no meaning: these models always turn halves; a note of who wrote the file.
  rope_interleaved: z.literal(false).nullish(),
  finetuned: z.boolean().nullish(),
});

type RopeDictionary = z.output<typeof ropeDictionary>;

export const ropeKeys = {
  rope_theta: positive.nullish(),
  rope_scaling: ropeDictionary.nullish(),
  rope_parameters: ropeDictionary.nullish(),
  /**
   * A key of our own, for what a GGUF says: each frequency is divided by its own. Beside the type "llama3" they are what that means,
   * to the last bit; the type "divisors" has nothing else.
   */
  rope_divisors: z.array(positive).nonempty().nullish(),
  rope_interleaved: z.literal(false).nullish(),
};

export interface RopeConfig {
  readonly max_position_embeddings: number;
  readonly rope_theta?: number | null | undefined;
  readonly rope_scaling?: RopeDictionary | null | undefined;
  readonly rope_parameters?: RopeDictionary | null | undefined;
  readonly rope_divisors?: readonly number[] | null | undefined;
}

/** The keys that each type reads, beside rope_theta. */
const READ: Readonly<Record<RopeType, readonly (keyof RopeDictionary)[]>> = {
  default: [],
  linear: ['factor'],
  dynamic: ['factor'],
  llama3: ['factor', 'original_max_position_embeddings', 'low_freq_factor', 'high_freq_factor'],
  yarn: [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  'telechat3-yarn': [
    'factor',
    'original_max_position_embeddings',
    'attention_factor',
    'beta_fast',
    'beta_slow',
  ],
  divisors: [],
};

const ALWAYS_ALLOWED: readonly (keyof RopeDictionary)[] = [
  'rope_type',
  'type',
  'rope_theta',
  'partial_rotary_factor',
  'rope_interleaved',
  'finetuned',
];

/** transformers' for these families. */
const DEFAULT_BASE = 10_000;

/** A stretch of positions by its type and numbers, all defaults filled in. */
export type RopeStretch =
  | { readonly type: 'default' | 'divisors' }
  | { readonly type: 'linear' | 'dynamic'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly original: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly original: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly truncate: boolean;
      /** On cos and sin. */
      readonly scale: number;
    };

export interface Rope {
  readonly base: number;
  readonly stretch: RopeStretch;
  /** In place of those that the stretch means. */
  readonly divisors: readonly number[] | undefined; // [E/2]
}

/** What the keys mean; a string is what is wrong with them. */
export function readRope(config: RopeConfig): Rope | string {
  const scaling = config.rope_scaling ?? undefined;
  // As transformers: an old-style dictionary that says anything stands in for the new one.
  const keys =
    scaling !== undefined && Object.keys(scaling).length > 0 ? scaling : (config.rope_parameters ?? {});
  if (keys.rope_type != null && keys.type != null && keys.rope_type !== keys.type)
    return `rope_type is "${keys.rope_type}" and type is "${keys.type}"; leave one`;
  const type = keys.rope_type ?? keys.type ?? 'default';
  const stray = strayKey(type, keys);
  if (stray !== undefined)
    return `${stray} has no meaning for the rotation "${type}", which reads ${READ[type].join(', ') || 'rope_theta alone'}`;
  const base = keys.rope_theta ?? config.rope_theta ?? DEFAULT_BASE;
  const stretch = readStretch(type, keys, config.max_position_embeddings);
  const divisors = config.rope_divisors ?? undefined;
  if (divisors === undefined && type === 'divisors') return 'the rotation "divisors" needs rope_divisors';
  if (divisors !== undefined && type !== 'divisors' && type !== 'llama3')
    return `rope_divisors stand beside the rotation "${type}"; only "divisors" and "llama3" have them`;
  return typeof stretch === 'string' ? stretch : { base, stretch, divisors };
}

/** A key that is given and not read; a factor of 1 stretches nothing, whatever the type. */
function strayKey(type: RopeType, keys: RopeDictionary): keyof RopeDictionary | undefined {
  const allowed = new Set([...ALWAYS_ALLOWED, ...READ[type]]);
  return ropeDictionary
    .keyof()
    .options.find(
      (key) => !allowed.has(key) && keys[key] != null && !(key === 'factor' && keys.factor === 1),
    );
}

function readStretch(type: RopeType, keys: RopeDictionary, maxPositions: number): RopeStretch | string {
  const original = keys.original_max_position_embeddings ?? maxPositions;
  switch (type) {
    case 'default':
    case 'divisors':
      return { type };
    case 'linear':
    case 'dynamic':
      return keys.factor == null ? `the rotation "${type}" needs a factor` : { type, factor: keys.factor };
    case 'llama3': {
      const { factor, low_freq_factor: lowFreqFactor, high_freq_factor: highFreqFactor } = keys;
      if (factor == null || lowFreqFactor == null || highFreqFactor == null)
        return 'the rotation "llama3" needs factor, low_freq_factor and high_freq_factor';
      if (highFreqFactor <= lowFreqFactor)
        return `high_freq_factor (${highFreqFactor}) must be above low_freq_factor (${lowFreqFactor})`;
      return { type, factor, original, lowFreqFactor, highFreqFactor };
    }
    case 'yarn': {
      const factor = keys.factor ?? maxPositions / original;
      if (factor < 1) return `${belowOriginal(maxPositions, original)}; give a factor`;
      return yarnStretch(factor, original, keys, yarnScaleOf(factor, keys));
    }
    case 'telechat3-yarn': {
      const factor = telechat3Factor(keys, maxPositions);
      return typeof factor === 'string'
        ? factor
        : yarnStretch(factor, original, keys, yarnScale(factor, TELECHAT3_MSCALE));
    }
  }
}

function belowOriginal(maxPositions: number, original: number): string {
  return `max_position_embeddings (${maxPositions}) is below original_max_position_embeddings (${original})`;
}

/** @param scale on cos and sin, unless the keys give theirs */
function yarnStretch(factor: number, original: number, keys: RopeDictionary, scale: number): RopeStretch {
  return {
    type: 'yarn',
    factor,
    original,
    betaFast: keys.beta_fast || 32,
    betaSlow: keys.beta_slow || 1,
    truncate: keys.truncate ?? true,
    scale: keys.attention_factor ?? scale,
  };
}

/** 0.07 ln(factor) + 1 in the place of YaRN's 0.1 ln(factor) + 1. */
const TELECHAT3_MSCALE = 0.7;

/**
 * The published code takes the ratio of the lengths where the old one is given, whatever factor stands beside it; without it
 * max_position_embeddings is the old length, and the factor is read.
 */
function telechat3Factor(keys: RopeDictionary, maxPositions: number): number | string {
  const { factor, original_max_position_embeddings: original } = keys;
  if (original == null)
    return factor ?? 'the rotation "telechat3-yarn" needs original_max_position_embeddings, or a factor';
  if (maxPositions < original) return belowOriginal(maxPositions, original);
  const ratio = maxPositions / original;
  return factor == null || factor === ratio
    ? ratio
    : `the rotation "telechat3-yarn" stretches by max_position_embeddings / original_max_position_embeddings (${ratio}), and the ` +
        `factor beside them is ${factor}; make them agree`;
}

function yarnScaleOf(factor: number, { mscale, mscale_all_dim: allDim }: RopeDictionary): number {
  return mscale && allDim ? yarnScale(factor, mscale) / yarnScale(factor, allDim) : yarnScale(factor);
}

/** Those of a GGUF are float32, and so was the arithmetic that made them. */
const DIVISOR_TOLERANCE = 1e-4;

/** What is wrong with divisors that are given; undefined: nothing, or none are. */
export function faultOfDivisors({ base, stretch, divisors }: Rope, headDim: number): string | undefined {
  if (divisors === undefined) return undefined;
  if (divisors.length !== headDim / 2)
    return `rope_divisors has ${divisors.length} numbers; ${headDim / 2} are needed, half of head_dim`;
  if (stretch.type !== 'llama3') return undefined;
  const meant = llama3Divisors(base, headDim, stretch);
  const place = meant.findIndex(
    (divisor, j) => !(Math.abs(divisor / (divisors[j] ?? 0) - 1) <= DIVISOR_TOLERANCE),
  );
  return place < 0
    ? undefined
    : `rope_divisors has ${divisors[place]} at place ${place}, where rope_scaling means ${meant[place]}; leave one of both`;
}

/** @param headDim of the model @param maxPositions max_position_embeddings */
export function rotationOf(
  { base, stretch, divisors }: Rope,
  headDim: number,
  maxPositions: number,
): Rotation {
  if (divisors !== undefined) return { base, divisors };
  switch (stretch.type) {
    case 'default':
    case 'divisors':
      return { base };
    case 'linear':
      return { base, divisors: linearDivisors(headDim, stretch.factor) };
    case 'dynamic':
      return { base, dynamic: { factor: stretch.factor, trained: maxPositions } };
    case 'llama3':
      return { base, divisors: llama3Divisors(base, headDim, stretch) };
    case 'yarn':
      return { base, divisors: yarnDivisors(base, headDim, stretch), scale: stretch.scale };
  }
}

/** Tokens that the model is made for, stretched. @param maxPositions max_position_embeddings */
export function stretchedLength(stretch: RopeStretch, maxPositions: number): number {
  switch (stretch.type) {
    case 'default':
    case 'divisors':
    case 'llama3': // Its max_position_embeddings counts the stretch.
      return maxPositions;
    case 'linear':
    case 'dynamic':
      return Math.floor(maxPositions * stretch.factor);
    case 'yarn': // Some configs count the stretch and some do not.
      return Math.max(maxPositions, Math.floor(stretch.original * stretch.factor));
  }
}
