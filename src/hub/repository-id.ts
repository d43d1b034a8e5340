/** What a repository is called: by its owner and name, in the cache folder, and in the addresses of the hub. */
import { InputError } from '../errors/index.js';

export type RepositoryKind = 'model' | 'dataset';

export interface RepositoryId {
  readonly kind: RepositoryKind;
  /** ORG/NAME. */
  readonly name: string;
  /** A branch, a tag or a commit. Default main. */
  readonly revision: string;
  /** Whether the revision was named. */
  readonly isPinned: boolean;
  /** A file or folder in it, by its path; empty: all of it. */
  readonly path: string;
}

/** Letters that the hub allows; no dots or dashes at the ends, none of them twice. */
const PART = /^(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/;
const REVISION = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_])?$/;

/**
 * `ORG/NAME`, `ORG/NAME@REVISION`, and with a path behind it: `ORG/NAME/rows/train.jsonl`.
 * @returns undefined for what no repository is called
 */
export function parseRepositoryId(text: string, kind: RepositoryKind): RepositoryId | undefined {
  const [owner = '', second = '', ...rest] = text.split('/');
  const [name = '', revision, ...more] = second.split('@');
  if (!PART.test(owner) || !PART.test(name) || more.length > 0) return undefined;
  if (revision !== undefined && (!REVISION.test(revision) || revision.includes('..'))) return undefined;
  if (rest.length > 0 && !isSafePath(rest.join('/'))) return undefined;
  return {
    kind,
    name: `${owner}/${name}`,
    revision: revision ?? 'main',
    isPinned: revision !== undefined,
    path: rest.join('/'),
  };
}

/** models--ORG--NAME */
export function folderOf({ kind, name }: Pick<RepositoryId, 'kind' | 'name'>): string {
  return `${kind}s--${name.replace('/', '--')}`;
}

/** Below the address of the hub: /api/models/ORG/NAME/revision/main */
export function apiPath({ kind, name }: RepositoryId, revision: string): string {
  return `/api/${kind}s/${name}/revision/${encodeURIComponent(revision)}`;
}

/** Below the address of the hub: /ORG/NAME/resolve/REVISION/FILE */
export function filePath({ kind, name }: RepositoryId, revision: string, file: string): string {
  const prefix = kind === 'dataset' ? '/datasets' : '';
  return `${prefix}/${name}/resolve/${encodeURIComponent(revision)}/${file.split('/').map(encodeURIComponent).join('/')}`;
}

/** A relative path that stays below the folder that it is put in, on every system. */
export function isSafePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (path === '' || path.length > 1024 || /[\\:\x00-\x1f\x7f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** @throws InputError for a name that would leave the folder */
export function checkSafePath(path: string, from: string): void {
  if (!isSafePath(path))
    throw new InputError(
      `${from}: lists a file named ${JSON.stringify(path)}, which would lie outside of the repository; nothing was fetched.`,
    );
}
