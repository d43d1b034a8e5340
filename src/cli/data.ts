/** `xinghe data prepare|merge|inspect`. */
import { InputError } from '../errors/index.js';
import { EXIT_BAD_INPUT, HelpRequest } from './options.js';

const verbs = {
  prepare: async () => (await import('./data-prepare.js')).dataPrepare,
  merge: async () => (await import('./data-merge.js')).dataMerge,
  inspect: async () => (await import('./data-inspect.js')).dataInspect,
} as const;

const HELP = `xinghe data VERB; --help after a verb tells more

  prepare  records to rows on disk, by a published recipe
  merge    parts of a job array, or several datasets, to one
  inspect  what a dataset holds, a row as people read it, the rows of a training step
`;

export async function data(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  switch (verb) {
    case 'prepare':
    case 'merge':
    case 'inspect':
      return (await verbs[verb]())(rest);
    case '--help':
    case '-h':
      throw new HelpRequest(HELP);
    case undefined:
      process.stdout.write(HELP);
      return EXIT_BAD_INPUT;
    default:
      throw new InputError(
        `xinghe data: "${verb}" is no subcommand; there are ${Object.keys(verbs).join(', ')}`,
      );
  }
}
