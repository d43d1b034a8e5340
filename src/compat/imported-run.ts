/** What a configuration of another framework becomes, whichever framework it is. */
import type { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { type TrainConfig, trainConfigSchema } from '../training/index.js';
import { spellOutAllModules } from './all-modules.js';
import { foreignKeyHint } from './foreign-keys.js';
import { type IgnoredKey, isMapping } from './key-tree.js';

/** Our configuration before defaults and checks. */
export type TrainInput = z.input<typeof trainConfigSchema>;

/** A value that the published file leaves to its user. */
export interface MissingValue {
  /** The published key. */
  readonly key: string;
  /** One sentence: what belongs there, and how to set it. */
  readonly message: string;
}

export interface ImportedRun {
  /** Our configuration, not checked yet: values may be missing, and own keys were laid over it. */
  readonly train: Readonly<Record<string, unknown>>;
  readonly ignored: readonly IgnoredKey[];
  /** Where this run differs from the published one; a sentence each. */
  readonly warnings: readonly string[];
  readonly missing: readonly MissingValue[];
}

/** Keys of ours that exclude each other: setting one takes the other away. */
const alternatives: readonly (readonly [section: string, one: string, other: string])[] = [
  ['training', 'steps', 'epochs'],
  ['training', 'warmup_steps', 'warmup_ratio'],
  ['data', 'dataset', 'files'],
];

/**
 * Our own keys laid over a mapped configuration: mappings are merged, null removes a key, anything else replaces it.
 * @param own the value of `xinghe` in the foreign file; undefined: nothing
 */
export function overlayOwnKeys(
  train: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, unknown>> | null | undefined,
): Readonly<Record<string, unknown>> {
  if (own === undefined || own === null) return { ...train };
  const base = new Map(Object.entries(train));
  for (const [section, one, other] of alternatives) {
    const given = own[section];
    const here = base.get(section);
    if (!isMapping(given) || !isMapping(here)) continue;
    const dropped = [
      ...(isSet(given[one]) ? [other] : []),
      ...(isSet(given[other]) && !isSet(given[one]) ? [one] : []),
    ];
    base.set(section, Object.fromEntries(Object.entries(here).filter(([key]) => !dropped.includes(key))));
  }
  return merge(Object.fromEntries(base), own);
}

type Mapping = Readonly<Record<string, unknown>>;

function merge(base: Mapping, over: Mapping): Mapping {
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const before = result.get(key);
    if (value === null) result.delete(key);
    else result.set(key, isMapping(before) && isMapping(value) ? merge(before, value) : value);
  }
  return Object.fromEntries(result);
}

/** The value at a path of keys; undefined where there is none. */
export function valueAt(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (here, key) => (isMapping(here) && Object.hasOwn(here, key) ? here[key] : undefined),
    value,
  );
}

const OWN_KEYS: readonly string[] = Object.keys(trainConfigSchema.shape);

/**
 * Overrides go by the published keys; one that begins with a key of ours alone is a misunderstanding.
 * @throws InputError that says how to write it
 */
export function refuseOwnKeys(overrides: readonly string[], published: Iterable<string>): void {
  const known = new Set(published);
  for (const override of overrides) {
    const [first = ''] = override.split(/[.=]/, 1);
    if (OWN_KEYS.includes(first) && !known.has(first))
      throw new InputError(
        `--set ${override}: overrides of a published file go by its own keys, and ${first} is ours; write --set xinghe.${override}.`,
      );
  }
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** @throws InputError with a line for each value that is missing */
export function refuseMissing({ missing }: Pick<ImportedRun, 'missing'>, source: string): void {
  if (missing.length > 0)
    throw new InputError(missing.map(({ key, message }) => `${source}: ${key}: ${message}`).join('\n'));
}

/**
 * The checked configuration of a run that can start.
 * @throws InputError with a line for each value that is missing, else for each that is wrong
 */
export function checkTrainInput(
  { train, missing }: Pick<ImportedRun, 'train' | 'missing'>,
  source: string,
): TrainConfig {
  refuseMissing({ missing }, source);
  return parseConfig(trainConfigSchema, spellOutAllModules(train), { source, hintFor: foreignKeyHint });
}
