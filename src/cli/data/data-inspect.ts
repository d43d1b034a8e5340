/** `xinghe data inspect`: what a dataset holds, a row as people read it, the rows of a training step. */
import {
  type Dataset,
  openDataset,
  recipes,
  renderDatasetText,
  renderRowHtml,
  renderRowText,
  rowsOfStep,
  tokenizerOptions,
  viewRow,
} from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { openTokenizer } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { parseOptions } from '../options.js';

const specs = {
  row: { kind: 'integer', min: 0, help: 'show this row, from 0' },
  step: { kind: 'integer', min: 1, help: 'name the rows of this training step, from 1' },
  'rows-per-step': { kind: 'integer', min: 1, help: 'rows of a step, over all ranks' },
  seed: { kind: 'integer', min: 0, help: 'of the training run; default 42' },
  'no-shuffle': { kind: 'flag', help: 'the run took the rows in order' },
  tokenizer: { kind: 'string', value: 'PATH', help: 'default: the one of the index' },
  html: { kind: 'string', value: 'FILE', help: 'write the row as a page' },
  color: {
    kind: 'string',
    allowedValues: ['auto', 'always', 'never'],
    help: 'default auto: on a terminal without NO_COLOR',
  },
  json: { kind: 'flag', help: 'print JSON on stdout' },
} as const;

export async function dataInspect(args: readonly string[]): Promise<number> {
  // The path is the one word that belongs to no option.
  const [path, ...rest] = args;
  const isPath = path !== undefined && !path.startsWith('-');
  const options = parseOptions(
    {
      command: 'xinghe data inspect PATH',
      summary: 'what a dataset holds; with --row a row, with --step a step',
    },
    specs,
    isPath ? rest : args,
  );
  if (!isPath) throw new InputError('xinghe data inspect: name the dataset first: xinghe data inspect PATH');
  const { row, step, html, json } = options;
  if (row !== undefined && step !== undefined)
    throw new InputError('xinghe data inspect: give --row or --step, not both');
  if (html !== undefined && row === undefined)
    throw new InputError('xinghe data inspect: --html shows a row; say which with --row');
  const dataset = openDataset(path);
  try {
    if (step !== undefined) showStep(dataset, step, options);
    else if (row !== undefined && html !== undefined)
      await withLockedOutput(html, () => showRow(dataset, row, options));
    else if (row !== undefined) showRow(dataset, row, options);
    else if (json)
      print({
        ...summaryOf(dataset),
        ...(dataset.parts !== undefined && { parts: dataset.parts.map(summaryOf) }),
      });
    else process.stdout.write(renderDatasetText(dataset));
  } finally {
    dataset.close();
  }
  return 0;
}

function summaryOf({ path, rowCount, rowLength, index }: Dataset): object {
  return { path, rows: rowCount, row_length: rowLength, index };
}

function showRow(
  dataset: Dataset,
  row: number,
  options: {
    tokenizer: string | undefined;
    html: string | undefined;
    color: string | undefined;
    json: boolean;
  },
): void {
  if (row >= dataset.rowCount)
    throw new InputError(`${dataset.path} has ${dataset.rowCount} rows, from 0; there is no row ${row}.`);
  const view = viewRow(dataset, row, findTokenizer(dataset, options.tokenizer));
  if (options.html !== undefined) {
    writeFileAtomic(options.html, renderRowHtml(view));
    log(`row ${row} to ${options.html}`);
  }
  if (options.json) print(view);
  else if (options.html === undefined) {
    const { color = 'auto' } = options;
    const paints = color === 'always' || (color === 'auto' && wantsColor());
    process.stdout.write(renderRowText(view, paints));
  }
}

/** On a terminal, unless NO_COLOR (no-color.org: set and not empty) or a terminal that cannot says otherwise. */
function wantsColor(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stdout.isTTY === true && (NO_COLOR ?? '') === '' && TERM !== 'dumb';
}

/** The tokenizer given, or the one that made the rows if it still lies there. */
function findTokenizer(dataset: Dataset, path: string | undefined): Tokenizer | undefined {
  // Datasets that are joined have one tokenizer.
  const index = (dataset.parts?.[0] ?? dataset).index;
  const recipe = Object.entries(recipes).find(([name]) => name === index?.recipe)?.[1];
  const options = recipe === undefined ? {} : tokenizerOptions(recipe);
  if (path !== undefined) return openTokenizer(path, options);
  const known = index?.tokenizer.path;
  if (known !== undefined && fileStatus(known) !== undefined) return openTokenizer(known, options);
  log(`${known ?? 'the tokenizer'} is not known here; ids only, or give --tokenizer`);
  return undefined;
}

function showStep(
  dataset: Dataset,
  step: number,
  options: {
    'rows-per-step': number | undefined;
    seed: number | undefined;
    'no-shuffle': boolean;
    json: boolean;
  },
): void {
  const rowsPerStep = options['rows-per-step'];
  if (rowsPerStep === undefined)
    throw new InputError(
      'xinghe data inspect: --step needs --rows-per-step, the rows of a step over all ranks',
    );
  if (dataset.rowCount === 0) throw new InputError(`${dataset.path} has no rows.`);
  const rows = rowsOfStep(dataset, step, {
    rowsPerStep,
    seed: options.seed ?? 42,
    shuffle: !options['no-shuffle'],
  });
  if (options.json) print(rows);
  else for (const { row, origins } of rows) process.stdout.write(`row ${row}: ${origins.join(', ')}\n`);
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
