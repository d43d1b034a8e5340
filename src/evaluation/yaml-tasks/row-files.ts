/** Where the rows of a task of one's own lie: beside its YAML file, or below the root of the data. */
import { basename, isAbsolute, join } from 'node:path';
import { fileStatus } from '../../formats/index.js';
import { filesBelow, type SetFile, stemOf } from '../sets/set-reader.js';
import { splitOf } from '../sets/split.js';

/** Places where a path may begin, the first that has it counts. */
export function placesOf(path: string, bases: readonly (string | undefined)[]): string[] {
  if (isAbsolute(path)) return [path];
  return bases.filter((base) => base !== undefined).map((base) => join(base, path));
}

/** The first of these that is there. */
export function firstThere(places: readonly string[]): string | undefined {
  return places.find((place) => fileStatus(place) !== undefined);
}

/** A file of rows, or all below a folder, with names that do not depend on where they lie. */
export function rowFilesAt(location: string, name: string): SetFile[] {
  if (fileStatus(location)?.isDirectory() !== true)
    return [{ path: name, stem: stemOf(location), folders: [], location }];
  return filesBelow(location).map((file) => ({
    ...file,
    path: `${basename(name)}/${file.path}`,
    location: join(location, file.path),
  }));
}

/**
 * The files of a split: those that bear its very name (folder, stem, suffix, shard), else those whose name means the same
 * ("val" for "validation").
 */
export function filesOfSplitNamed(files: readonly SetFile[], split: string): SetFile[] {
  const exact = files.filter(
    ({ stem, folders }) =>
      stem === split ||
      folders.includes(split) ||
      stem.endsWith(`_${split}`) ||
      stem.endsWith(`-${split}`) ||
      (stem.startsWith(`${split}-`) && /^\d{5}-of-\d{5}$/.test(stem.slice(split.length + 1))),
  );
  if (exact.length > 0) return exact;
  const meaning = meaningOf(split);
  return meaning === undefined ? [] : files.filter((file) => meaningOf(splitNameOf(file)) === meaning);
}

/** Undefined where a name says nothing. */
function splitNameOf(file: SetFile): string | undefined {
  const named = splitOf(file);
  return named.split === 'test' && !/test/.test(file.path) ? undefined : named.split;
}

function meaningOf(split: string | undefined): string | undefined {
  switch (split) {
    case 'val':
    case 'valid':
    case 'validation':
      return 'val';
    case undefined:
      return undefined;
    default:
      return split;
  }
}
