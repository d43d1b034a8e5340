/** A folder of results belongs to one set of inputs: the same command makes them anew, another is refused. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonFile } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';

export interface ResultFolder {
  readonly output: string;
  readonly overwrite: boolean;
}

/**
 * @param refusal what is said of results with another fingerprint, behind their path
 * @throws InputError for a file in the folder's place, and for results of other inputs
 */
export function refuseOtherResults(
  { output, overwrite }: ResultFolder,
  fingerprint: string,
  refusal: string,
): void {
  const status = fileStatus(output);
  if (status !== undefined && !status.isDirectory())
    throw new InputError(`--output ${output} is a file; name a folder.`);
  const path = join(output, 'results.json');
  if (overwrite || fileStatus(path) === undefined) return;
  if (fieldOf(readJsonFile(path), 'fingerprint') !== fingerprint) throw new InputError(`${path} ${refusal}`);
}
