/** `xinghe bench serve`. */
import { planServe } from '../../bench/index.js';
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
  sizeOption,
  threadsOf,
  threadsOption,
} from './bench-options.js';

const MAX_STREAMS = 1000;

const specs = {
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a model folder with its tokenizer; default --size 33m',
  },
  ...sizeOption,
  streams: { kind: 'integer', min: 1, help: 'connections that are open at once, 1000 at most; default 16' },
  prompt: { kind: 'integer', min: 1, help: 'tokens of each prompt; default 32' },
  new: { kind: 'integer', min: 1, help: 'tokens of each answer; default 64' },
  repetitions: { kind: 'integer', min: 1, help: 'waves of a process, one more warms up; default 3' },
  ...threadsOption,
  against: againstOption('nothing that is known'),
  ...peerOptions,
  ...roundOptions,
} as const;

export async function benchServe(args: readonly string[]): Promise<number> {
  const given = parseOptions(
    {
      command: 'xinghe bench serve',
      summary: 'streams over HTTP: their share of the bare engine, times to the first token, memory',
      notes: NOTES,
    },
    specs,
    args,
  );
  const options = await placed(specs, given);
  const streams = options.streams ?? 16;
  if (streams > MAX_STREAMS)
    throw new InputError(`xinghe bench serve: --streams is ${streams}; give ${MAX_STREAMS} at most.`);
  return runBench('serve', args, options, (session) =>
    planServe(
      {
        ...peerChoice(options),
        model: options.model,
        size: options.size ?? '33m',
        streams,
        prompt: options.prompt ?? 32,
        new: options.new ?? 64,
        repetitions: options.repetitions ?? 3,
        threads: threadsOf(options),
      },
      session,
    ),
  );
}
