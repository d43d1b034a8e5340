/** `xinghe bench op`. */
import { planLinear, planOp } from '../../bench/index.js';
import { InputError } from '../../errors/index.js';
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
  calls: { kind: 'integer', min: 100, help: 'in each repetition; default 20000' },
  repetitions: { kind: 'integer', min: 1, help: 'within a process, the least counts; default 10' },
  linear: { kind: 'flag', help: 'float32 products of a linear layer, by oneDNN against BLAS' },
  threads: { kind: 'integer', min: 1, help: 'of --linear; a call takes one. Default: all cores' },
  against: againstOption('pytorch'),
  ...peerOptions,
  ...roundOptions,
} as const;

/** For each of the fifteen products of --linear, of each side in a round. */
const PRODUCT_SECONDS = 0.3;

export async function benchOp(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe bench op',
      summary: 'what an operator call costs; with --linear the products of a linear layer',
      notes: NOTES,
    },
    specs,
    args,
  );
  const { linear, against, calls, repetitions, threads } = options;
  if (linear && (against !== undefined || calls !== undefined || repetitions !== undefined))
    throw new InputError(
      'xinghe bench op: --linear compares our two libraries; leave --against, --calls and --repetitions out.',
    );
  if (!linear && threads !== undefined)
    throw new InputError('xinghe bench op: --threads goes with --linear; a call takes one thread.');
  return runBench('op', args, options, () =>
    linear
      ? planLinear({ threads: threadsOf(options), seconds: PRODUCT_SECONDS })
      : planOp({ ...peerChoice(options), calls: calls ?? 20000, repetitions: repetitions ?? 10 }),
  );
}
