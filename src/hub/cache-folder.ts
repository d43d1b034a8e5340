/**
 * The cache of the Hugging Face hub: models--ORG--NAME/{blobs,refs,snapshots}. A snapshot is the folder of one commit, its files are
 * links to the blobs; refs/main names the commit of the branch.
 */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors/index.js';
import { fileStatus, listFolder } from '../formats/index.js';
import { folderOf, parseRepositoryId, type RepositoryId, type RepositoryKind } from './repository-id.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** HF_HUB_CACHE, else hub/ in HF_HOME, else in the cache folder of the user. */
export function hubCacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE: cache, HF_HOME: home, XDG_CACHE_HOME: caches } = environment;
  return cache || join(home || join(caches || join(homedir(), '.cache'), 'huggingface'), 'hub');
}

/**
 * A path as it is, or where the cache has what it names: a repository's folder in the cache (its snapshot of `main`), a path below
 * such a folder, or `ORG/NAME[@REVISION][/PATH]`. What lies here goes before the cache. Nothing is fetched.
 * @returns `text` itself where neither knows it
 * @throws InputError for a cache that names no snapshot, or several
 */
export function findInCache(
  text: string,
  kind: RepositoryKind,
  environment: Environment = process.env,
): string {
  if (text === '') return text;
  if (fileStatus(text) !== undefined) return isRepositoryFolder(text) ? snapshotOf(text) : text;
  for (let folder = dirname(text); folder !== dirname(folder); folder = dirname(folder))
    if (isRepositoryFolder(folder)) return join(snapshotOf(folder), text.slice(folder.length + 1));
  const repository = parseRepositoryId(text, kind);
  return (repository && cachedPath(repository, environment)) ?? text;
}

/** Where the cache has a repository, or the file of it that is named; undefined: it has none. */
export function cachedPath(
  repository: RepositoryId,
  environment: Environment = process.env,
): string | undefined {
  const folder = join(hubCacheFolder(environment), folderOf(repository));
  if (!isRepositoryFolder(folder)) return undefined;
  const { revision, isPinned, path } = repository;
  return join(snapshotOf(folder, isPinned ? revision : undefined), path);
}

function isRepositoryFolder(path: string): boolean {
  return (
    /^(models|datasets)--/.test(basename(path)) && fileStatus(join(path, 'snapshots'))?.isDirectory() === true
  );
}

/** @param revision default: main, else the only snapshot */
function snapshotOf(folder: string, revision?: string): string {
  const snapshots = join(folder, 'snapshots');
  const inside = (name: string): string | undefined =>
    fileStatus(join(snapshots, name))?.isDirectory() === true ? join(snapshots, name) : undefined;
  const ref = join(folder, 'refs', revision ?? 'main');
  if (fileStatus(ref)?.isFile() === true) {
    const commit = readFileSync(ref, 'utf8').trim();
    const found = /^[\w.-]+$/.test(commit) && !/^\.+$/.test(commit) ? inside(commit) : undefined;
    if (found !== undefined) return found;
    throw new InputError(
      `${ref}: names the commit ${JSON.stringify(commit)}, and ${snapshots} has no such folder; fetch it again.`,
    );
  }
  const known = listFolder(snapshots).filter((name) => inside(name) !== undefined);
  const wanted = revision === undefined ? (known.length === 1 ? known[0] : undefined) : revision;
  const found = wanted === undefined ? undefined : inside(wanted);
  if (found !== undefined) return found;
  throw new InputError(
    revision === undefined
      ? `${folder}: no refs/main, and ${known.length === 0 ? 'no snapshot' : `${known.length} snapshots (${known.join(', ')})`}; ` +
          'name the folder of one.'
      : `${folder}: the cache has no revision ${revision} of it; it has ${known.join(', ') || 'none'}.`,
  );
}
