/** Which split and subject a file of a set holds, by the names that its publishers give: folders, suffixes, the hub's shards. */
import type { SetFile } from './set-reader.js';

export interface SplitFile extends SetFile {
  /** "test" where the name says nothing. */
  readonly split: string;
  readonly subject: string;
  /** What stands in ids before the index: the stem, or the subject where all files of a split have one stem. */
  readonly idStem: string;
}

const SPLITS = new Map([
  ['dev', 'dev'],
  ['val', 'val'],
  ['valid', 'val'],
  ['validation', 'val'],
  ['test', 'test'],
  ['train', 'train'],
  ['auxiliary_train', 'train'],
]);

const SHARD = /^(\w+?)-\d{5}-of-\d{5}$/;

/** "test-00000-of-00001": the hub's name of a part of a split; what it is of, its folder says. */
export function isShard({ stem }: SetFile): boolean {
  return SHARD.test(stem);
}

export function splitOf(file: SetFile): SplitFile {
  const shard = SHARD.exec(file.stem)?.[1];
  const ofShard = shard === undefined ? undefined : SPLITS.get(shard);
  if (ofShard !== undefined) {
    const subject = file.folders.at(-1) ?? '';
    return { ...file, split: ofShard, subject, idStem: file.stem };
  }
  const suffix = /^(.*)_(dev|val|test|train)$/.exec(file.stem);
  const folder = file.folders.map((name) => SPLITS.get(name)).find((split) => split !== undefined);
  const own = SPLITS.get(file.stem);
  return {
    ...file,
    split: folder ?? suffix?.[2] ?? own ?? 'test',
    subject: suffix?.[1] ?? file.stem,
    idStem: file.stem,
  };
}

/** The files of the first of these splits that is there, in the order given. */
export function filesOfSplit(
  files: readonly SplitFile[],
  splits: readonly string[],
): { readonly split: string; readonly files: readonly SplitFile[] } | undefined {
  for (const split of splits) {
    const found = files.filter((file) => file.split === split);
    if (found.length > 0) return { split, files: found };
  }
  return undefined;
}
