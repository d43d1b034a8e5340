/** A task of one's own from a YAML file without code: choice, exact match or a pattern. docs/own-tasks.md has its keys. */
import { basename } from 'node:path';
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import type { SetFile, SetReader } from '../sets/set-reader.js';
import type { LoadedSet, LoadOptions, Task } from '../task.js';
import { type RecordedShots, shotsFor } from './own-examples.js';
import { type SampleMaker, sampleMakerOf } from './own-samples.js';
import { OWN_TASK_SCHEMAS, type OwnTaskConfig } from './own-task-schema.js';
import { filesOfSplitNamed, firstThere, placesOf, rowFilesAt } from './row-files.js';
import { type RecordRow, readTable } from './table.js';
import type { TaskFile } from './task-file.js';

/**
 * @param data root below which the rows are looked for after the folder of the file
 * @throws InputError naming file, line and key
 */
export function ownTask(file: TaskFile, data: string | undefined): Task {
  const config = configOf(file);
  const maker = sampleMakerOf(config, file);
  const name = config.name ?? basename(file.path).replace(/\.ya?ml$/i, '');
  const isChoice = config.kind === 'choice';
  return {
    name,
    title: config.title ?? name,
    version: config.version,
    root: file.folder,
    folder: '.',
    source: config.source,
    paper: config.paper,
    deviations: [],
    defaultShots: config.examples_split === undefined ? undefined : config.shots,
    defaultMode: config.mode ?? (isChoice ? 'loglikelihood' : 'generate'),
    ...(isChoice && config.compare === 'texts' && { modes: ['loglikelihood'] as const }),
    ...(config.form !== undefined && { defaultForm: config.form }),
    takesCot: false,
    metric: isChoice ? 'acc' : 'exact_match',
    load: (reader, options) => load(reader, options, { file, config, data, maker }),
  };
}

function configOf(file: TaskFile): OwnTaskConfig {
  const { kind } = file.content;
  switch (kind) {
    case 'choice':
    case 'exact-match':
    case 'regex': {
      const config: OwnTaskConfig = file.check(OWN_TASK_SCHEMAS[kind]);
      if (config.shots > 0 && config.examples_split === undefined)
        throw file.fault(
          ['shots'],
          `${config.shots} examples, but "examples_split" names no split to take them from.`,
        );
      return config;
    }
    default: {
      const kinds = Object.keys(OWN_TASK_SCHEMAS);
      throw file.fault(
        ['kind'],
        `expected one of ${kinds.join(', ')}, got ${JSON.stringify(kind)}.${didYouMeanHint(String(kind), kinds)}`,
      );
    }
  }
}

interface OwnTaskParts {
  readonly file: TaskFile;
  readonly config: OwnTaskConfig;
  readonly data: string | undefined;
  readonly maker: SampleMaker;
}

async function load(reader: SetReader, options: LoadOptions, parts: OwnTaskParts): Promise<LoadedSet> {
  const { file, config, maker } = parts;
  reader.use(basename(file.path));
  const measured = await rowsOf(reader, options.split ?? config.split, parts);
  const examples: RecordedShots =
    config.examples_split === undefined || options.shots === 0 || !options.needsPrompts
      ? { rows: [] }
      : { rows: (await rowsOf(reader, config.examples_split, parts)).flatMap(({ rows }) => rows) };
  const notes = new Set<string>();
  const samples = measured.flatMap(({ file: from, rows }) =>
    reader.readEach(rows, from, ({ index, value }) => {
      const shots = options.needsPrompts
        ? shotsFor(value, examples, { config, options, maker, task: reader.task, notes })
        : [];
      return maker.sample({ id: `${from.stem}/${index}`, file: from.stem, row: value, shots });
    }),
  );
  if (samples.length > 0) return { samples, notes: [...notes] };
  const [first] = reader.problems.list();
  throw new InputError(
    `${file.path}: no row can be measured` +
      (first === undefined
        ? '; the files are empty.'
        : `: ${first.count} x ${first.reason}, the first: ${first.examples[0]?.message ?? ''}`),
  );
}

interface FileRows {
  readonly file: SetFile;
  readonly rows: readonly RecordRow[];
}

async function rowsOf(reader: SetReader, split: string, parts: OwnTaskParts): Promise<FileRows[]> {
  const files = filesOf(split, parts);
  const tables: FileRows[] = [];
  for (const file of files)
    tables.push({ file, rows: await readTable(reader, file, { columns: parts.config.columns }) });
  return tables;
}

/** @throws InputError that says where was looked and what is there */
function filesOf(split: string, { file, config, data }: OwnTaskParts): SetFile[] {
  const places = [file.folder, data];
  const find = (path: string, key: readonly string[]): SetFile[] => {
    const candidates = placesOf(path, places);
    const found = firstThere(candidates);
    if (found !== undefined) return rowFilesAt(found, path);
    throw file.fault(key, `there is no ${candidates.join(', nor ')}.`);
  };
  if (typeof config.data !== 'string') {
    const paths = Object.hasOwn(config.data, split) ? config.data[split] : undefined;
    const names = Object.keys(config.data);
    if (paths === undefined)
      throw file.fault(
        ['data'],
        `no files of the split "${split}"; there are ${names.join(', ')}.${didYouMeanHint(split, names)}`,
      );
    return [paths].flat().flatMap((path) => find(path, ['data', split]));
  }
  const files = find(config.data, ['data']);
  const [only] = files;
  // One file alone is what is measured, whatever its name; examples come from a split of their own.
  if (files.length === 1 && only !== undefined && split === config.split) return files;
  const own = filesOfSplitNamed(files, split);
  if (own.length > 0) return own;
  throw file.fault(
    ['data'],
    `${config.data} has no file of the split "${split}" (a folder or a file of that name, or one that ends in _${split}); ` +
      `found ${
        files
          .map(({ path }) => path)
          .slice(0, 10)
          .join(', ') || 'no file of rows'
      }.`,
  );
}
