/** How `generate` and `chat` choose tokens. */
import { InputError } from '../errors/index.js';
import type { BeamParameters, SamplingParameters } from '../generation/index.js';
import { log } from '../log/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const samplingOptions = {
  'max-new-tokens': { kind: 'integer', min: 1, help: 'default 256' },
  temperature: { kind: 'number', min: 0, help: 'above 0: sample; default greedy' },
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

export function samplingByOptions(options: OptionValues<typeof samplingOptions>): SamplingParameters {
  return definedOnly({
    temperature: options.temperature,
    topK: options['top-k'],
    topP: options['top-p'],
    minP: options['min-p'],
    seed: options.seed,
    repetitionPenalty: options['repetition-penalty'],
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

/** Says on stderr what was asked for and has no effect; the likeliest token is taken where no temperature is given. */
export function warnOfUnusedSampling(
  options: OptionValues<typeof samplingOptions> & { readonly beams?: number | undefined },
): void {
  const isGreedy = (options.temperature ?? 0) === 0;
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
