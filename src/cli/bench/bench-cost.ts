/** `xinghe bench cost`. */
import { COST_KINDS, planCost } from '../../bench/index.js';
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { parseOptionsAndWords } from '../options.js';
import { roundOptions, runBench, sizeOption, threadsOf, threadsOption } from './bench-options.js';

const specs = {
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'of context, batch and queue; default --size 33m',
  },
  ...sizeOption,
  ...threadsOption,
  ...roundOptions,
} as const;

export async function benchCost(args: readonly string[]): Promise<number> {
  const { options: given, words } = parseOptionsAndWords(
    {
      command: 'xinghe bench cost WHAT',
      summary: 'how a time grows with a size: the measured exponent beside the expected one',
      notes:
        'WHAT: context (a decode step by the length of the context), batch (by the number of sequences), queue (by the number of requests\n' +
        'that wait), rows (data preparation by the number of records), model-size (conversion by the number of parameters).',
    },
    specs,
    args,
  );
  const [word, ...more] = words;
  const kind = COST_KINDS.find((each) => each === word);
  if (kind === undefined || more.length > 0)
    throw new InputError(
      `xinghe bench cost: ${word === undefined ? 'say of what' : `"${words.join(' ')}" is nothing whose cost is measured.${didYouMeanHint(word, COST_KINDS)}`} ` +
        `Give one of ${COST_KINDS.join(', ')}.`,
    );
  const options = await placed(specs, given);
  return runBench('cost', args, options, (session) =>
    planCost(
      { kind, model: options.model, size: options.size ?? '33m', threads: threadsOf(options) },
      session,
    ),
  );
}
