/** What the operating system refuses, in words that stand in the place of "ENOENT: no such file or directory, open 'x'". */

/** What is wrong, and the way out. */
const PROBLEMS: ReadonlyMap<string, readonly [problem: string, wayOut: string]> = new Map([
  ['ENOENT', ['no such file or folder', 'check the path']],
  ['ENOTDIR', ['a part of the path is a file', 'check the path']],
  ['EISDIR', ['a folder stands there', 'name a file']],
  ['EACCES', ['no permission', 'check its permissions, or choose another place']],
  ['EPERM', ['no permission', 'check its permissions, or choose another place']],
  ['EROFS', ['the file system is read-only', 'choose another place']],
  ['ENOSPC', ['the disk is full', 'free some space']],
  ['EDQUOT', ['the disk quota is used up', 'free some space']],
  ['EFBIG', ['the file system, or a limit (ulimit -f), takes no files of this size', 'choose another place']],
  ['EEXIST', ['it exists already', 'name another place']],
  ['ENOTEMPTY', ['the folder holds files', 'name another place']],
  ['EMFILE', ['too many files are open', 'raise the limit (ulimit -n)']],
  ['ENFILE', ['too many files are open on this machine', 'close some programs']],
  ['ENAMETOOLONG', ['the name is too long', 'choose a shorter one']],
  ['ELOOP', ['a symbolic link leads back to itself', 'check the path']],
  ['EIO', ['the device reports a fault', 'check the disk']],
  ['EBUSY', ['it is in use', 'close what uses it, or name another place']],
  ['EXDEV', ['the two places lie on different file systems', 'name a place beside the other']],
  ['EADDRINUSE', ['another program listens there', 'choose another port']],
  ['EADDRNOTAVAIL', ['this machine has no such address', 'choose another host']],
  ['ECONNREFUSED', ['nothing listens there', 'check that the program runs']],
  ['ENOTFOUND', ['no machine has this name', 'check the host']],
  ['EPIPE', ['the reader has closed it', 'keep it open']],
]);

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
}

/** An error of a system call, as Node throws it. */
export function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    'syscall' in error &&
    typeof error.syscall === 'string'
  );
}

/** What the call was about: a path or an address; undefined where it named none (writing to an open file). */
function subjectOf(error: SystemError): string | undefined {
  if ('path' in error && typeof error.path === 'string') return error.path;
  if ('address' in error && 'port' in error) return `${String(error.address)}:${String(error.port)}`;
  return undefined;
}

/** "no such file or folder: /data/x.jsonl; check the path"; undefined for what has no words here. */
export function systemErrorText(error: unknown): string | undefined {
  if (!isSystemError(error)) return undefined;
  const found = PROBLEMS.get(error.code);
  if (found === undefined) return undefined;
  const [problem, wayOut] = found;
  const subject = subjectOf(error);
  return `${problem}${subject === undefined ? '' : `: ${subject}`}; ${wayOut}`;
}
