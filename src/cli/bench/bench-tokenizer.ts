/** `xinghe bench tokenizer`. */
import { planEncode, planVocabulary, VOCABULARY_TYPES } from '../../bench/index.js';
import { InputError } from '../../errors/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { parseOptions } from '../options.js';
import {
  againstOption,
  NOTES,
  peerChoice,
  peerOptions,
  roundOptions,
  runBench,
  threadsOf,
} from './bench-options.js';

const specs = {
  ...hubOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'tokenizer.json, *.model or a folder; default: one of 2000 pieces, learned from the texts',
  },
  input: {
    kind: 'strings',
    value: 'FILE…',
    place: 'data',
    help: 'texts: plain, or JSON lines with "text"; default: those of the demo\'s invented world',
  },
  megabytes: { kind: 'number', min: 0.1, help: 'so much text, repeated where there is less; default 4' },
  repetitions: { kind: 'integer', min: 1, help: 'within a process, the best counts; default 2' },
  train: {
    kind: 'string',
    value: 'TYPE',
    allowedValues: VOCABULARY_TYPES,
    help: 'measure the training of such a vocabulary in place of encoding',
  },
  'vocab-size': { kind: 'integer', min: 300, help: 'pieces that are learned; default 2000' },
  threads: { kind: 'integer', min: 1, help: 'of the training; encoding takes one. Default: all cores' },
  against: againstOption('sentencepiece or tokenizers'),
  ...peerOptions,
  ...roundOptions,
} as const;

export async function benchTokenizer(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench tokenizer',
      summary: 'the speed of encoding on one thread, or of training a vocabulary',
      notes: NOTES,
    },
    specs,
    args,
  );
  const options = await placed(specs, given);
  const { train: type, tokenizer, repetitions, threads, input } = options;
  const texts = { input, megabytes: options.megabytes ?? 4 };
  if (type !== undefined && (tokenizer !== undefined || repetitions !== undefined))
    throw new InputError('xinghe bench tokenizer: --train takes no --tokenizer and no --repetitions.');
  if (type === undefined && (threads !== undefined || options['vocab-size'] !== undefined))
    throw new InputError('xinghe bench tokenizer: --threads and --vocab-size go with --train.');
  return runBench('tokenizer', args, options, (session) =>
    type === undefined
      ? planEncode({ ...peerChoice(options), ...texts, tokenizer, repetitions: repetitions ?? 2 }, session)
      : planVocabulary(
          {
            ...peerChoice(options),
            ...texts,
            type,
            vocabSize: options['vocab-size'] ?? 2000,
            threads: threadsOf(options),
          },
          session,
        ),
  );
}
