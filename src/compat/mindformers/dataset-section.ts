/** train_dataset and eval_dataset: MindRecord files, whose rows we read as they are. */
import { datasetsOf, mindRecordSetsIn } from '../../data/index.js';
import { fileStatus } from '../../formats/index.js';
import type { FamilyName } from '../../models/index.js';
import type { PublishedDataset, PublishedRunFile } from './published-schema.js';

/**
 * The path of the data, or those of several sets, whose rows come one after the other as for MindDataset; undefined where the
 * file leaves it to its user. @throws InputError for files that are not there, and for a set of which a part is missing
 */
export function datasetPath(dataset: PublishedDataset): string | string[] | undefined {
  const { dataset_dir: folder, dataset_files: files } =
    typeof dataset === 'string' ? { dataset_dir: dataset, dataset_files: undefined } : dataset.data_loader;
  if (!folder && Array.isArray(files) && files.length > 1) {
    const sets = datasetsOf(files);
    const [only] = sets;
    return sets.length === 1 ? only : sets;
  }
  const path = folder || (Array.isArray(files) ? files[0] : files);
  return path === undefined || path === null || path === '' ? undefined : onlySet(path);
}

/** A folder with one MindRecord set in it stands for that set's file, as published; one with several sets for all of them. */
function onlySet(path: string): string {
  if (fileStatus(path)?.isDirectory() !== true) return path;
  const [only, ...others] = mindRecordSetsIn(path);
  return only !== undefined && others.length === 0 ? only : path;
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
