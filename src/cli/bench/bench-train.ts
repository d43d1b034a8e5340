/** `xinghe bench train`. */
import { planTrain, TRAIN_PRECISIONS } from '../../bench/index.js';
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
  threadsOf,
  threadsOption,
} from './bench-options.js';

const specs = {
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a model folder: its config, with random weights; default --size 33m',
  },
  ...sizeOption,
  dtype: {
    kind: 'string',
    value: 'D',
    allowedValues: TRAIN_PRECISIONS,
    help: 'float32 (default), bfloat16, or bfloat16-mixed (float32 masters; the peer: autocast)',
  },
  batch: { kind: 'integer', min: 1, help: 'rows of a step; default 8' },
  length: { kind: 'integer', min: 2, help: 'tokens of a row; default 256' },
  lora: { kind: 'integer', min: 0, help: 'train LoRA of this rank alone; default 0, all weights' },
  recompute: { kind: 'flag', help: 'keep the borders of blocks only and compute the rest again' },
  steps: { kind: 'integer', min: 3, help: 'steps of a process, the first two not counted; default 5' },
  ...threadsOption,
  against: againstOption('pytorch or pytorch-compile'),
  ...peerOptions,
  ...roundOptions,
} as const;

export async function benchTrain(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench train',
      summary: 'the speed of a training step: tokens a second, operations, memory',
      notes: NOTES,
    },
    specs,
    args,
  );
  const options = await placed(specs, given);
  return runBench('train', args, options, () =>
    planTrain({
      ...peerChoice(options),
      model: options.model,
      size: options.size ?? '33m',
      batch: options.batch ?? 8,
      length: options.length ?? 256,
      precision: options.dtype ?? 'float32',
      lora: options.lora ?? 0,
      recompute: options.recompute,
      steps: options.steps ?? 5,
      threads: threadsOf(options),
    }),
  );
}
