/** `xinghe data prepare|merge|inspect`. */
import { InputError } from '../errors/index.js';
import { HelpRequest } from './options.js';

const verbs = {
  prepare: async () => (await import('./data-prepare.js')).dataPrepare,
  merge: async () => (await import('./data-merge.js')).dataMerge,
  inspect: async () => (await import('./data-inspect.js')).dataInspect,
} as const;

export async function data(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  switch (verb) {
    case 'prepare':
    case 'merge':
    case 'inspect':
      return (await verbs[verb]())(rest);
    case '--help':
    case '-h':
      throw new HelpRequest(
        'xinghe data VERB; --help after a verb tells more\n\n' +
          '  prepare  records to rows on disk, by a published recipe\n' +
          '  merge    parts of a job array, or several datasets, to one\n' +
          '  inspect  what a dataset holds, a row as people read it, the rows of a training step\n',
      );
    default:
      throw new InputError(
        `xinghe data: "${verb ?? ''}" is no subcommand; there are ${Object.keys(verbs).join(', ')}`,
      );
  }
}
