/** train_dataset and eval_dataset: MindRecord files, whose rows we read as they are. */
import { join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, openMindRecord } from '../../formats/index.js';
import type { FamilyName } from '../../models/index.js';
import type { PublishedDataset, PublishedRunFile } from './published-schema.js';

/** The path of the data, undefined where the file leaves it to its user. @throws InputError for several files */
export function datasetPath(dataset: PublishedDataset): string | undefined {
  const { dataset_dir: folder, dataset_files: files } =
    typeof dataset === 'string' ? { dataset_dir: dataset, dataset_files: undefined } : dataset.data_loader;
  const path = folder || (Array.isArray(files) ? onlySet(files) : files);
  return path === undefined || path === null || path === '' ? undefined : onlyRecordFile(path);
}

/** Several files may be the parts of one set, which its first names. @throws InputError for files of several sets */
function onlySet(files: readonly string[]): string | undefined {
  const [first, ...others] = files;
  if (first === undefined || others.length === 0) return first;
  const [missing] = files.filter((file) => fileStatus(file) === undefined);
  const parts = missing === undefined ? openMindRecord(first).paths.map((path) => resolve(path)) : [];
  const strangers = files.filter((file) => !parts.includes(resolve(file)));
  if (strangers.length === 0 && new Set(files).size === parts.length) return first;
  throw new InputError(
    `data_loader.dataset_files names ${files.length} files that are not the parts of one MindRecord set` +
      `${missing === undefined ? '' : ` (${missing} does not exist)`}; a run reads one: prepare the data as one data set.`,
  );
}

/** A folder with one MindRecord file in it stands for that file, as published; any other path for itself. */
function onlyRecordFile(path: string): string {
  if (fileStatus(path)?.isDirectory() !== true) return path;
  const records = listFolder(path).filter((name) => name.endsWith('.mindrecord'));
  const [only] = records;
  return only !== undefined && records.length === 1 ? join(path, only) : path;
}

/** Sentences on what of the data is read otherwise than published. */
export function datasetWarnings({ train_dataset: dataset }: PublishedRunFile, family: FamilyName): string[] {
  const columns = typeof dataset === 'string' ? [] : (dataset.input_columns ?? []);
  return [
    ...(family === 'spark' && columns.includes('loss_mask')
      ? [
          'the published loss weights a prediction by the mask of its input; this run weights it by that of its target ' +
            '(xinghe.training.loss_alignment=input for the published one).',
        ]
      : []),
  ];
}
