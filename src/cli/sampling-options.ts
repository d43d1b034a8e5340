/** How `generate` and `chat` choose tokens: by the options given, then by the model's generation_config.json, as `serve` does. */
import { InputError } from '../errors/index.js';
import {
  type BeamParameters,
  type GenerationDefaults,
  readGenerationDefaults,
  type SamplingParameters,
} from '../generation/index.js';
import { log } from '../log/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const samplingOptions = {
  'max-new-tokens': { kind: 'integer', min: 1, help: 'default 256' },
  temperature: {
    kind: 'number',
    min: 0,
    help: 'above 0: sample; default: of generation_config.json, else 0',
  },
  'top-k': { kind: 'integer', min: 0, help: 'sample among the K most probable tokens' },
  'top-p': { kind: 'number', min: 0, help: 'sample among the most probable tokens that reach this mass' },
  'min-p': { kind: 'number', min: 0, help: 'leave out tokens less probable than this share of the best' },
  seed: { kind: 'integer', help: 'makes sampling repeatable' },
  'repetition-penalty': { kind: 'number', help: 'above 1 discourages repetition; default 1' },
  'repetition-penalty-kind': {
    kind: 'string',
    allowedValues: ['multiplicative', 'subtractive'],
    help: "CTRL's (default) or Spark's",
  },
  'repetition-penalty-increase': { kind: 'number', help: 'growth of the subtractive penalty; default 0.1' },
  'presence-penalty': { kind: 'number', help: 'subtracted from every token that has come; default 0' },
  'frequency-penalty': { kind: 'number', help: 'subtracted for each time that a token has come; default 0' },
} as const satisfies Record<string, OptionSpec>;

export const DEFAULT_MAX_NEW_TOKENS = 256;

/** What the model's files say where an option does not. */
export type ModelDefaults = GenerationDefaults;

/** @throws InputError for values out of range in generation_config.json */
export function readModelDefaults(model: string): ModelDefaults {
  return readGenerationDefaults(model);
}

type SamplingValues = OptionValues<typeof samplingOptions> & { readonly beams?: number | undefined };

/** Beams take the likeliest tokens: what a file says of sampling is not meant for them. */
function defaultsFor({ beams }: SamplingValues, defaults: ModelDefaults): Omit<ModelDefaults, 'eosTokenIds'> {
  return beams === undefined ? defaults : {};
}

export function samplingByOptions(options: SamplingValues, defaults: ModelDefaults): SamplingParameters {
  const { temperature, topK, topP, minP, repetitionPenalty } = defaultsFor(options, defaults);
  return definedOnly({
    temperature: options.temperature ?? temperature,
    topK: options['top-k'] ?? topK,
    topP: options['top-p'] ?? topP,
    minP: options['min-p'] ?? minP,
    seed: options.seed,
    repetitionPenalty: options['repetition-penalty'] ?? repetitionPenalty,
    repetitionPenaltyKind: options['repetition-penalty-kind'],
    repetitionPenaltyIncrease: options['repetition-penalty-increase'],
    presencePenalty: options['presence-penalty'],
    frequencyPenalty: options['frequency-penalty'],
  });
}

export function beamsByOptions(options: {
  readonly beams: number | undefined;
  readonly 'length-penalty': number | undefined;
}): BeamParameters | undefined {
  const { beams: count, 'length-penalty': lengthPenalty } = options;
  if (count !== undefined) return { count, lengthPenalty };
  if (lengthPenalty === undefined) return undefined;
  throw new InputError('--length-penalty belongs to beam search; give --beams N too');
}

/** Says on stderr what the model's file decides, and what was asked for and has no effect. */
export function tellSampling(options: SamplingValues, defaults: ModelDefaults): void {
  const taken = defaultsFor(options, defaults);
  const isGreedy = (options.temperature ?? taken.temperature ?? 0) === 0;
  const decided = (
    [
      ['temperature', taken.temperature, true],
      ['top-k', taken.topK, !isGreedy],
      ['top-p', taken.topP, !isGreedy],
      ['min-p', taken.minP, !isGreedy],
      ['repetition-penalty', taken.repetitionPenalty, true],
    ] as const
  )
    .filter(([name, value, counts]) => counts && value !== undefined && options[name] === undefined)
    .map(([name, value]) => `--${name} ${value}`);
  if (decided.length > 0)
    log(
      `generation_config.json of the model: ${decided.join(' ')}${isGreedy ? '' : '; --temperature 0 takes the likeliest tokens'}`,
    );
  if (options.beams === undefined && !isGreedy) return;
  const names = ['temperature', 'top-k', 'top-p', 'min-p', 'seed'] as const;
  const idle = names.filter((name) => (options[name] ?? 0) !== 0).map((name) => `--${name}`);
  if (idle.length === 0) return;
  const reason = options.beams === undefined ? 'without a --temperature above 0' : 'with --beams';
  log(`warning: no effect ${reason}: ${idle.join(', ')}`);
}

/** The entries that have a value. */
function definedOnly<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  const defined: { [Key in keyof Fields]?: NonNullable<Fields[Key]> } = {};
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined && value !== null) defined[key] = value;
  }
  return defined;
}
