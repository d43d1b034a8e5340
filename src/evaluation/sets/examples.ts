/** Worked examples from the split that a set keeps for them. */
import { InputError } from '../../errors/index.js';
import type { LoadOptions, Shot } from '../task.js';
import type { Row, SetReader } from './set-reader.js';
import type { SplitFile } from './split.js';

/** The first rows of the files, in file order. @throws InputError for fewer than were asked for by name */
export async function examplesOf(
  reader: SetReader,
  files: readonly SplitFile[],
  { shots: wanted, isShotsWanted, needsPrompts }: LoadOptions,
  read: (row: Row) => Shot,
): Promise<{ readonly shots: readonly Shot[]; readonly notes: readonly string[] }> {
  if (!needsPrompts || wanted === 0) return { shots: [], notes: [] };
  const shots: Shot[] = [];
  for (const file of files) {
    if (shots.length >= wanted) break;
    shots.push(...reader.readEach(await reader.rows(file), file, read));
  }
  if (shots.length >= wanted) return { shots: shots.slice(0, wanted), notes: [] };
  if (isShotsWanted)
    throw new InputError(
      `${reader.task}: --shots ${wanted}, but ${reader.folder} has only ${shots.length} examples apart from what is measured; ` +
        'add its training or dev split, or ask for fewer.',
    );
  return { shots, notes: [`${shots.length} of ${wanted} shots: the set here has no more examples`] };
}
