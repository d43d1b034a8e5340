/** Where the rows of a task of lm-evaluation-harness lie on this machine. */
import { didYouMeanHint } from '../../../config/index.js';
import { fileStatus, listFolder } from '../../../formats/index.js';
import type { SetFile } from '../../sets/set-reader.js';
import { splitOf } from '../../sets/split.js';
import { filesOfSplitNamed, firstThere, placesOf, rowFilesAt } from '../row-files.js';
import type { TableForm } from '../table.js';
import type { KeyPlaces } from '../task-file.js';
import type { HarnessConfig } from './harness-schema.js';

export interface DatasetFiles {
  readonly form: TableForm;
  /** @throws InputError that says where was looked and what is there */
  readonly of: (split: string) => readonly SetFile[];
  /** Whether there are files of it. */
  readonly has: (split: string) => boolean;
}

/** Names under which the harness reads plain files, with data_files. */
const LOADERS = new Set(['json', 'csv', 'parquet', 'text']);
/** Names of the one configuration of a data set. */
const ONLY = new Set(['default', 'main', 'all']);

/** @throws InputError where nothing of the data set is there */
export function datasetFiles(config: HarnessConfig, file: KeyPlaces, data: string | undefined): DatasetFiles {
  const { data_files: named, names, column_names: columns = names, ...rest } = config.dataset_kwargs ?? {};
  const odd = Object.keys(rest).find(
    (key) => !['trust_remote_code', 'revision', 'data_dir', 'encoding'].includes(key),
  );
  if (odd !== undefined)
    throw file.fault(
      ['dataset_kwargs', odd],
      `is not read here.${didYouMeanHint(odd, ['data_files', 'data_dir', 'names'])} data_files, data_dir and names are.`,
    );
  const form: TableForm = {
    isTyped: true,
    ...(columns !== undefined && { columns: namesOf(columns, file) }),
  };
  if (config.dataset_path === 'text')
    throw file.fault(['dataset_path'], 'text files have no columns; write JSON Lines.');
  const isLoader = LOADERS.has(config.dataset_path);
  if (named !== undefined && named !== null) return { form, ...namedFiles(named, file, data) };
  if (isLoader)
    throw file.fault(['dataset_path'], `${config.dataset_path} needs dataset_kwargs with data_files.`);
  const files = filesOfDataset(config, file, data, rest.data_dir);
  const of = (split: string): readonly SetFile[] => filesOfSplitNamed(files, split);
  return {
    form,
    has: (split) => of(split).length > 0,
    of: (split) => {
      const own = of(split);
      if (own.length > 0) return own;
      throw file.fault(
        ['dataset_path'],
        `${config.dataset_path} has no file of the split "${split}" (a folder or a file of that name, ${split}-00000-of-00001, ` +
          `or one that ends in _${split}); found ${shown(files)}.`,
      );
    },
  };
}

function namesOf(value: unknown, file: KeyPlaces): string[] {
  if (Array.isArray(value)) return value.map(String);
  throw file.fault(['dataset_kwargs', 'names'], `expected a list of columns, got ${JSON.stringify(value)}.`);
}

/** The harness looks from where it is started; here beside the YAML file comes first, then the root of the data. */
function namedFiles(named: unknown, file: KeyPlaces, data: string | undefined): Omit<DatasetFiles, 'form'> {
  const lists = listsOf(named, file);
  const names = Object.keys(lists);
  const has = (split: string): boolean => Object.hasOwn(lists, split);
  return {
    has,
    of: (split) => {
      const paths = has(split) ? (lists[split] ?? []) : undefined;
      if (paths === undefined)
        throw file.fault(
          ['dataset_kwargs', 'data_files'],
          `there is no split "${split}"; there are ${names.join(', ')}.${didYouMeanHint(split, names)}`,
        );
      return paths.flatMap((path) => {
        const places = placesOf(path, [file.folder, data, '.']);
        const found = firstThere(places);
        if (found !== undefined) return rowFilesAt(found, path);
        throw file.fault(['dataset_kwargs', 'data_files'], `there is no ${places.join(', nor ')}.`);
      });
    },
  };
}

/** Without names everything is the split "train", as the package datasets has it. */
function listsOf(named: unknown, file: KeyPlaces): Readonly<Record<string, readonly string[]>> {
  const isMapping = typeof named === 'object' && named !== null && !Array.isArray(named);
  const lists: Record<string, readonly unknown[]> = isMapping
    ? Object.fromEntries(
        Object.entries(named).map(([split, paths]: [string, unknown]) => [split, [paths].flat()]),
      )
    : { train: [named].flat() };
  return Object.fromEntries(
    Object.entries(lists).map(([split, paths]) => [
      split,
      paths.map((path) => {
        if (typeof path === 'string') return path;
        throw file.fault(['dataset_kwargs', 'data_files'], `expected paths, got ${JSON.stringify(path)}.`);
      }),
    ]),
  );
}

function filesOfDataset(
  { dataset_path: path, dataset_name: name }: HarnessConfig,
  file: KeyPlaces,
  data: string | undefined,
  folder: unknown,
): readonly SetFile[] {
  const spellings = [
    ...(typeof folder === 'string' ? [folder] : []),
    path,
    path.replaceAll('/', '--'),
    path.split('/').at(-1) ?? path,
  ];
  const places = [...new Set(spellings)].flatMap((spelling) => placesOf(spelling, [data, file.folder]));
  const found = places.find((place) => fileStatus(place)?.isDirectory() === true);
  if (found === undefined)
    throw file.fault(
      ['dataset_path'],
      `the files of ${path} are not on this machine; looked for the folders ${places.join(', ')}. Put them there, each split ` +
        `a file or folder of its name (test.jsonl, validation-00000-of-00001.parquet)${name === undefined || name === null ? '' : ` in the folder ${name}`}, ` +
        `or name them by dataset_kwargs: data_files.${data === undefined ? ' --data names a root to look below.' : ''}`,
    );
  const all = rowFilesAt(found, path);
  if (all.length === 0) throw file.fault(['dataset_path'], `the folder ${found} holds no file of rows.`);
  if (name === undefined || name === null) return all;
  const own = all.filter((each) => each.folders.includes(name) || splitOf(each).subject === name);
  if (own.length > 0) return own;
  if (ONLY.has(name)) return all;
  const folders = listFolder(found);
  throw file.fault(
    ['dataset_name'],
    `${found} has nothing with the name "${name}": neither a folder, nor files like ${name}_test.csv or test/${name}.csv.` +
      `${didYouMeanHint(name, folders)} Found ${shown(all)}.`,
  );
}

function shown(files: readonly SetFile[]): string {
  return (
    files
      .map(({ path }) => path)
      .slice(0, 10)
      .join(', ') || 'no file of rows'
  );
}
