/** MindRecord sets among files: a set is one file, or several that know of each other. */
import { join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, openMindRecord } from '../../formats/index.js';

/** Of MindRecord shards: x.mindrecord, or x.mindrecord0, x.mindrecord1, … */
const SHARD_NAME = /\.mindrecord\d*$/;

/** The first shard of each set in a folder, by name. */
export function mindRecordSetsIn(folder: string): string[] {
  const sets: string[] = [];
  // Shards of sets already found are not opened again.
  const known = new Set<string>();
  for (const name of listFolder(folder).filter((entry) => SHARD_NAME.test(entry))) {
    const path = join(folder, name);
    if (known.has(resolve(path))) continue;
    const shards = openMindRecord(path).paths;
    for (const shard of shards) known.add(resolve(shard));
    sets.push(shards[0] ?? path);
  }
  return sets;
}

interface NamedSet {
  readonly shards: readonly string[];
  /** Those of its shards that the list names. */
  readonly named: Set<string>;
}

/**
 * Each dataset once, in the order of the list: the shards of one MindRecord set come to its first one. What is no such shard
 * stays as it is.
 * @throws InputError for a path that does not exist or is given twice, and for a set of which some shards are named and some are not
 */
export function datasetsOf(paths: readonly string[]): string[] {
  const sets: NamedSet[] = [];
  const setOf = new Map<string, NamedSet>();
  for (const path of paths) {
    let set = setOf.get(resolve(path));
    if (set === undefined) {
      set = { shards: shardsOf(path), named: new Set() };
      sets.push(set);
      for (const shard of set.shards) setOf.set(resolve(shard), set);
    }
    if (set.named.has(resolve(path))) throw new InputError(`${path} is given twice; name each dataset once.`);
    set.named.add(resolve(path));
  }
  return sets.map(firstShard);
}

function firstShard({ shards, named }: NamedSet): string {
  const [first = ''] = shards;
  const missing = shards.find((shard) => !named.has(resolve(shard)));
  if (named.size > 1 && missing !== undefined)
    throw new InputError(
      `${missing} is missing in the list: ${named.size} of the ${shards.length} shards of one MindRecord set are named. Name all, ` +
        'or one that stands for all.',
    );
  return first;
}

/** All shards of the set that a file belongs to; a folder and any other file are one by themselves. */
function shardsOf(path: string): readonly string[] {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path} does not exist; check the path.`);
  return status.isFile() ? openMindRecord(path).paths : [path];
}
