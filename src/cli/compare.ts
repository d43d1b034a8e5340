/** `xinghe compare`: two or more evaluations, sample by sample. */
import { InputError } from '../errors/index.js';
import {
  compareRuns,
  comparisonJson,
  comparisonNotes,
  comparisonText,
  readRun,
  writeComparison,
} from '../evaluation/index.js';
import { log } from '../log/index.js';
import { parseOptionsAndWords } from './options.js';

const specs = {
  task: { kind: 'string', value: 'NAME,…', help: 'these tasks; default: all that the runs have in common' },
  output: { kind: 'string', value: 'DIR', help: 'where compare.html, compare.json and compare.md go' },
  json: { kind: 'flag', help: 'print the comparison as JSON on stdout' },
} as const;

export async function compare(args: readonly string[]): Promise<number> {
  const { options, words } = parseOptionsAndWords(
    {
      command: 'xinghe compare RUN RUN…',
      summary: 'two or more evaluations, sample by sample',
      notes:
        'A RUN is the --output folder of xinghe evaluate. Each further run is compared with the first, on the samples that all ' +
        'have in common; other data or versions of a task are refused, other settings are said.',
    },
    specs,
    args,
  );
  if (words.length < 2)
    throw new InputError(
      `xinghe compare: ${words.length === 0 ? 'no run is' : 'one run alone is'} nothing to compare; name two or more folders: xinghe compare RUN RUN…`,
    );
  const runs = words.map(readRun);
  const only = options.task
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const comparison = compareRuns(runs, only);
  for (const note of comparisonNotes(comparison)) log(`warning: ${note}`);
  if (options.output !== undefined) writeComparison(options.output, runs, comparison);
  process.stdout.write(
    options.json ? `${JSON.stringify(comparisonJson(comparison))}\n` : comparisonText(comparison),
  );
  return 0;
}
