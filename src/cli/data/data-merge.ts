/** `xinghe data merge`: several datasets to one. */
import { mergeDatasets } from '../../data/index.js';
import { withLockedOutput } from '../../formats/index.js';
import { parseOptions } from '../options.js';

const specs = {
  input: {
    kind: 'strings',
    value: 'FOLDER…',
    required: true,
    help: 'prepared datasets, in any order for a job array',
  },
  output: { kind: 'string', value: 'FOLDER', required: true, help: 'new folder' },
  overwrite: { kind: 'flag', help: 'exchange an output that is there' },
  json: { kind: 'flag', help: 'print the report as JSON on stdout' },
} as const;

export async function dataMerge(args: readonly string[]): Promise<number> {
  // Folders may also come first, without a word before them.
  const named = args[0] === undefined || args[0].startsWith('-') ? args : ['--input', ...args];
  const { input, output, overwrite, json } = parseOptions(
    {
      command: 'xinghe data merge',
      summary: 'the parts of a job array, or several datasets of one kind, as one',
    },
    specs,
    named,
  );
  const report = await withLockedOutput(output, () => mergeDatasets(input, output, { overwrite }));
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else {
    for (const { path, shard, rows } of report.parts)
      process.stdout.write(`${path}${shard === undefined ? '' : ` (${shard})`}: ${rows} rows\n`);
    const held = report.validation === undefined ? '' : `, ${report.validation.rows} validation rows`;
    process.stdout.write(`${output}: ${report.train.rows} rows${held}, ${report.skipped} records left out\n`);
  }
  return 0;
}
