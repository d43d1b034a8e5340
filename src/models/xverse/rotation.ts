/** The rotary base of an XVERSE config, and whether it grows with the length; and the release whose code alone says so. */
import { InputError } from '../../errors/index.js';
import { configValue } from '../family.js';

export interface XverseRotation {
  readonly base: number;
  /** Beyond `trained` tokens the base grows (dynamicNtkBase). */
  readonly dynamic: { readonly factor: number; readonly trained: number } | undefined;
}

interface RotationKeys {
  readonly rope_type?: string | undefined;
  readonly type?: string | undefined;
  readonly factor?: number | null | undefined;
  readonly rope_theta?: number | null | undefined;
}

const PUBLISHED_BASE = 10_000;
const LONG_BASE = 500_000;

/** @returns what is wrong, where the keys contradict each other */
export function xverseRotation(config: {
  readonly max_position_embeddings: number;
  readonly rope_theta?: number | null | undefined;
  readonly rope_scaling?: RotationKeys | null | undefined;
  readonly rope_parameters?: RotationKeys | null | undefined;
}): XverseRotation | string {
  const places = [config.rope_scaling ?? {}, config.rope_parameters ?? {}];
  const bases = distinct([config.rope_theta, ...places.map(({ rope_theta }) => rope_theta)]);
  const kinds = distinct(places.flatMap(({ rope_type, type }) => [rope_type, type]));
  const factors = distinct(places.map(({ factor }) => factor));
  for (const [key, values] of [
    ['rope_theta', bases],
    ['rope_type', kinds],
    ['factor', factors],
  ] as const)
    if (values.length > 1) return `${key} is given as ${values.join(' and as ')}; leave one`;
  const [base = PUBLISHED_BASE] = bases;
  const [factor] = factors;
  if (kinds[0] !== 'dynamic')
    return factor === undefined || factor === 1
      ? { base, dynamic: undefined }
      : `factor ${factor} has a meaning for the type "dynamic" only`;
  if (factor === undefined) return 'the type "dynamic" needs a factor';
  return { base, dynamic: { factor, trained: config.max_position_embeddings } };
}

function distinct<Value>(values: readonly (Value | null | undefined)[]): Value[] {
  return [...new Set(values.filter((value): value is Value => value !== null && value !== undefined))];
}

/** Of XVERSE-13B; the vocabulary of the releases after it is padded. */
const SIZES_13B = {
  hidden_size: 5120,
  intermediate_size: 13824,
  num_hidden_layers: 40,
  num_attention_heads: 40,
} as const;
const VOCABULARY_13B = 100_278;

/**
 * XVERSE-13B-256K says neither its base nor its dynamic NTK in its config: its modelling code does (base 500000,
 * alpha = length / (max_position_embeddings / 2) - 1). The config of a model so named, be it by a key or by its folder, gets both
 * keys, so that it stays that model under any name.
 * @throws InputError for XVERSE-13B's sizes with another vocabulary, no base and no name: it may be either
 */
export function withPublishedRotation(config: unknown, source: string): unknown {
  if (typeof config !== 'object' || config === null) return config;
  const isGiven = ['rope_theta', 'rope_scaling', 'rope_parameters'].some(
    (key) => (configValue(config, key) ?? null) !== null,
  );
  if (isGiven) return config;
  const autoMap = configValue(config, 'auto_map');
  const names = [
    configValue(config, '_name_or_path'),
    configValue(config, 'name_or_path'),
    ...(typeof autoMap === 'object' && autoMap !== null ? Object.values(autoMap) : []),
    ...source.split(/[/\\]/),
  ].filter((name) => typeof name === 'string');
  if (names.some((name) => /256k/i.test(name)))
    return { ...config, rope_theta: LONG_BASE, rope_scaling: { rope_type: 'dynamic', factor: 2 } };
  const is13B = Object.entries(SIZES_13B).every(([key, size]) => configValue(config, key) === size);
  const vocabulary = configValue(config, 'vocab_size');
  if (!is13B || vocabulary === VOCABULARY_13B || names.some((name) => /xverse-13b/i.test(name)))
    return config;
  throw new InputError(
    `${source}: a vocabulary of ${String(vocabulary)} is that of XVERSE-13B-2 or of XVERSE-13B-256K, whose rotary bases ` +
      'differ, and neither the config nor its folder names the model. Put it into a folder of that name, or write ' +
      `rope_theta (for the 256K: "rope_theta": ${LONG_BASE}, "rope_scaling": {"rope_type": "dynamic", "factor": 2}).`,
  );
}
