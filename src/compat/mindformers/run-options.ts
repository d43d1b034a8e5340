/** Options of the published run entry (`python run_iflytekspark.py --run_mode predict …`) as keys of its run file. */
import { InputError } from '../../errors/index.js';

type OptionKind = 'text' | 'switch' | 'switch or text' | 'count';

/** By the published spelling, which is that of the key. */
const KINDS = {
  task: 'text',
  run_mode: 'text',
  use_parallel: 'switch',
  load_checkpoint: 'text',
  auto_trans_ckpt: 'switch',
  resume: 'switch or text',
  train_dataset: 'text',
  eval_dataset: 'text',
  predict_data: 'text',
  predict_length: 'count',
  predict_batch: 'count',
  optimizer_parallel: 'switch',
  device_id: 'count',
  prompt: 'text',
  tokenizer_file: 'text',
  mindir_save_dir: 'text',
  streamer: 'switch',
  remote_save_url: 'text',
} as const satisfies Record<string, OptionKind>;

/** Words as they stand on the command line, by the published spelling. */
export type RunOptionValues = { readonly [Name in keyof typeof KINDS]?: string | undefined };

const SWITCHES: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['on', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['off', false],
  ['0', false],
]);

/**
 * @param overrides of `--set`: one that says something else of the same key is refused
 * @returns values of published keys, for `loadPublishedRun`
 * @throws InputError for words that are none of their kind
 */
export function readRunOptions(
  words: RunOptionValues,
  overrides: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const values = new Map<string, unknown>();
  for (const [name, kind] of Object.entries(KINDS)) {
    const word: unknown = Object.hasOwn(words, name) ? Reflect.get(words, name) : undefined;
    if (typeof word !== 'string') continue;
    const twin = overrides.find((override) => override.split(/[.=]/, 1)[0]?.trim() === name);
    if (twin !== undefined)
      throw new InputError(`xinghe run: --${name} ${word} and --set ${twin} say the same key; give it once.`);
    values.set(name, valueOfWord(name, kind, word));
  }
  return Object.fromEntries(values);
}

function valueOfWord(name: string, kind: OptionKind, word: string): unknown {
  switch (kind) {
    case 'text':
      return word;
    case 'switch':
    case 'switch or text': {
      const value = SWITCHES.get(word.toLowerCase());
      if (value !== undefined) return value;
      if (kind === 'switch or text' && word !== '') return word;
      throw new InputError(`xinghe run: --${name} is "${word}"; give True or False.`);
    }
    case 'count':
      if (/^\d{1,15}$/.test(word)) return Number(word);
      throw new InputError(`xinghe run: --${name} is "${word}"; give a whole number.`);
  }
}
