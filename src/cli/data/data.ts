/** `xinghe data prepare|merge|inspect`. */
import { runVerb } from '../run-verb.js';

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

export function data(args: readonly string[]): Promise<number> {
  return runVerb('xinghe data', verbs, HELP, args);
}
