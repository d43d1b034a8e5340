/** Opens prepared rows of any kind. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { BareMindRecord } from './bare-mindrecord.js';
import type { Dataset } from './dataset.js';
import { INDEX_FILE } from './dataset-index.js';
import { FolderDataset } from './folder-dataset.js';
import { JoinedDataset } from './joined-dataset.js';
import { datasetsOf, mindRecordSetsIn } from './mindrecord-sets.js';

/** Beside x.mindrecord: the folder with its index, origins and report. */
export const SIDE_FOLDER_SUFFIX = '.info';

/**
 * Opens what `prepareDataset` wrote, any MindRecord file with a column input_ids, or a folder of such files; of a list the rows of
 * all, in its order. Every row costs the same few reads, however many there are; nothing is held.
 * @throws InputError for a path that is no dataset, for files that do not belong to its index, for datasets that cannot be joined
 */
export function openDataset(path: string | readonly string[]): Dataset {
  if (typeof path !== 'string') return openAll(datasetsOf(path), path.join(', '));
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path} does not exist; check the path.`);
  if (status.isDirectory()) {
    if (fileStatus(join(path, INDEX_FILE)) !== undefined) return new FolderDataset(path);
    const sets = mindRecordSetsIn(path);
    if (sets.length > 0) return openAll(sets, path);
    throw new InputError(
      `${path} is no prepared dataset: it has no ${INDEX_FILE}; make one with xinghe data prepare.`,
    );
  }
  const side = path + SIDE_FOLDER_SUFFIX;
  return fileStatus(join(side, INDEX_FILE)) === undefined
    ? new BareMindRecord(path)
    : new FolderDataset(side);
}

/** @param name of all together */
function openAll(paths: readonly string[], name: string): Dataset {
  const parts: Dataset[] = [];
  try {
    for (const path of paths) parts.push(openDataset(path));
    const [only] = parts;
    if (only === undefined) throw new InputError('the list of datasets is empty; name one at least.');
    return parts.length === 1 ? only : new JoinedDataset(name, parts);
  } catch (error) {
    for (const part of parts) part.close();
    throw error;
  }
}
