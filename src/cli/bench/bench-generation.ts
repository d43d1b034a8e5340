/** `xinghe bench decode` and `xinghe bench prompt`. */
import { planCached, planDecode, planFromStart, planPrompt } from '../../bench/index.js';
import { InputError } from '../../errors/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { type OptionValues, parseOptions } from '../options.js';
import {
  againstOption,
  NOTES,
  peerChoice,
  peerOptions,
  roundOptions,
  runBench,
  sizeOption,
  threadsOf,
  threadsOption,
} from './bench-options.js';

const shared = {
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a model folder or file; default --size 350m',
  },
  ...sizeOption,
  dtype: {
    kind: 'string',
    value: 'D',
    allowedValues: ['float32', 'bfloat16'],
    help: 'compute in it; default that of the weights (random ones: bfloat16)',
  },
  'kv-dtype': {
    kind: 'string',
    value: 'D',
    allowedValues: ['int8'],
    help: 'of keys and values; default as computed',
  },
  sequences: { kind: 'integer', min: 1, help: 'sequences together; default 1' },
  repetitions: { kind: 'integer', min: 1, help: 'within a process, the best counts; default 2' },
  ...threadsOption,
  gguf: {
    kind: 'string',
    value: 'FILE.gguf',
    help: 'the same weights for llama.cpp; default: the model converted, in a temporary folder',
  },
  against: againstOption('llama.cpp'),
  ...peerOptions,
  ...roundOptions,
} as const;

const decodeSpecs = {
  ...shared,
  prompt: { kind: 'integer', min: 1, help: 'tokens of each prompt; default 64' },
  new: { kind: 'integer', min: 1, help: 'tokens that each sequence makes; default 32' },
} as const;

const promptSpecs = {
  ...shared,
  prompt: { kind: 'integer', min: 1, help: 'tokens of each prompt; default 256, with --from-start 16' },
  'from-start': { kind: 'flag', help: 'from the start of a process to its first token' },
  cached: { kind: 'flag', help: 'the first token of a prompt whose beginning is cached' },
} as const;

type SharedOptions = OptionValues<typeof shared>;

function planOptions(options: SharedOptions) {
  return {
    ...peerChoice(options),
    model: options.model,
    size: options.size ?? '350m',
    dtype: options.dtype,
    kvDType: options['kv-dtype'],
    sequences: options.sequences ?? 1,
    repetitions: options.repetitions ?? 2,
    threads: threadsOf(options),
    gguf: options.gguf,
  };
}

export async function benchDecode(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench decode',
      summary: 'the speed of decoding: tokens a second, share of the memory bandwidth',
      notes: NOTES,
    },
    decodeSpecs,
    args,
  );
  const options = await placed(decodeSpecs, given);
  return runBench('decode', args, options, (session) =>
    planDecode({ ...planOptions(options), prompt: options.prompt ?? 64, new: options.new ?? 32 }, session),
  );
}

export async function benchPrompt(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench prompt',
      summary: 'the speed of reading prompts: tokens a second, share of the products; first tokens',
      notes: NOTES,
    },
    promptSpecs,
    args,
  );
  const options = await placed(promptSpecs, given);
  const fromStart = options['from-start'];
  if (fromStart && options.cached)
    throw new InputError('xinghe bench prompt: --from-start and --cached do not go together; give one.');
  const prompt = options.prompt ?? (fromStart ? 16 : 256);
  const plan = fromStart ? planFromStart : options.cached ? planCached : planPrompt;
  return runBench('prompt', args, options, (session) =>
    plan({ ...planOptions(options), prompt, new: 1 }, session),
  );
}
