/** `xinghe bench convert` and `xinghe bench data`. */
import { CONVERSIONS, planConvert, planData } from '../../bench/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { parseOptions } from '../options.js';
import {
  againstOption,
  NOTES,
  peerChoice,
  peerOptions,
  roundOptions,
  runBench,
  sizeOption,
} from './bench-options.js';

const convertSpecs = {
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a file of safetensors, or a folder with model.safetensors; default --size 130m',
  },
  ...sizeOption,
  dtype: {
    kind: 'string',
    value: 'D',
    allowedValues: ['float32', 'bfloat16'],
    help: 'of the random weights; default float32',
  },
  to: {
    kind: 'string',
    value: 'WHAT',
    allowedValues: CONVERSIONS,
    help: 'safetensors (unchanged, default), bfloat16, float32, bin, or four model-parallel ranks',
  },
  against: againstOption('safetensors (load and save)'),
  ...peerOptions,
  ...roundOptions,
} as const;

export async function benchConvert(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench convert',
      summary: 'the speed of a conversion as a whole process: megabytes a second, memory',
      notes: NOTES,
    },
    convertSpecs,
    args,
  );
  const options = await placed(convertSpecs, given);
  return runBench('convert', args, options, (session) =>
    planConvert(
      {
        ...peerChoice(options),
        model: options.model,
        size: options.size ?? '130m',
        dtype: options.dtype ?? 'float32',
        conversion: options.to ?? 'safetensors',
      },
      session,
    ),
  );
}

const dataSpecs = {
  ...hubOptions,
  input: {
    kind: 'string',
    value: 'RECORDS.jsonl',
    place: 'data',
    help: "records with Alpaca's or TeleChat's keys; default: made of the texts of the demo's invented world",
  },
  tokenizer: {
    kind: 'string',
    value: 'FILE',
    place: 'tokenizer',
    help: 'with a token <|endoftext|>; default: one learned from those texts',
  },
  megabytes: { kind: 'number', min: 0.1, help: 'of records, repeated where there are fewer; default 10' },
  'seq-length': { kind: 'integer', min: 16, help: 'a row has one id more; default 2047' },
  workers: { kind: 'integer', min: 1, help: 'threads of ours, processes of the peer; default 1' },
  against: againstOption('datasets (with tokenizers)'),
  ...peerOptions,
  ...roundOptions,
} as const;

export async function benchData(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench data',
      summary: 'the speed of preparing rows from records, as a whole process',
      notes: NOTES,
    },
    dataSpecs,
    args,
  );
  const options = await placed(dataSpecs, given);
  return runBench('data', args, options, (session) =>
    planData(
      {
        ...peerChoice(options),
        input: options.input,
        tokenizer: options.tokenizer,
        megabytes: options.megabytes ?? 10,
        seqLength: options['seq-length'] ?? 2047,
        workers: options.workers ?? 1,
      },
      session,
    ),
  );
}
