/** Ways to run a command apart from everything else on the machine, best first. */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Confinement {
  readonly name: 'bubblewrap' | 'namespaces' | 'none';
  /** The command line that runs `command` confined. */
  readonly wrap: (command: readonly string[]) => readonly string[];
  /** Where the machine's root can still be reached until the command takes it away; "" for nowhere. */
  readonly oldRoot: string;
  readonly dispose: () => void;
}

/** Read-only in the sandbox, for an interpreter needs them. */
const SYSTEM_FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/alternatives'];

/** @param folders of the interpreter */
export function bubblewrap(folders: readonly string[], program = 'bwrap'): Confinement {
  const binds = [...SYSTEM_FOLDERS, ...folders].flatMap((path) => ['--ro-bind-try', path, path]);
  return {
    name: 'bubblewrap',
    wrap: (command) => [
      program,
      '--unshare-all',
      '--die-with-parent',
      '--new-session',
      '--cap-drop',
      'ALL',
      ...binds,
      '--dev',
      '/dev',
      '--size',
      '67108864',
      '--tmpfs',
      '/tmp',
      '--chdir',
      '/tmp',
      '--clearenv',
      ...ENVIRONMENT.flatMap(([name, value]) => ['--setenv', name, value]),
      '--',
      ...command,
    ],
    oldRoot: '',
    dispose: () => {},
  };
}

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['PATH', '/usr/bin:/bin'],
  ['HOME', '/tmp'],
  ['LANG', 'C.UTF-8'],
  ['OMP_NUM_THREADS', '1'],
  ['OPENBLAS_NUM_THREADS', '1'],
];

/**
 * A new root of read-only binds in namespaces of its own. Whoever is in there is no user of the machine, sees no other
 * process and no network; the old root is gone from its sight.
 */
const NEW_ROOT = `set -e
root=$1
folders=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o size=64m,mode=755 tmpfs "$root"
cd "$root"
mkdir dev tmp old
for name in null zero urandom random; do : > dev/$name; mount --bind /dev/$name dev/$name; done
IFS=:
for path in $folders; do
  [ -e "$path" ] || continue
  if [ -L "$path" ]; then mkdir -p ".\${path%/*}"; cp -P "$path" ".$path"; continue; fi
  if [ -d "$path" ]; then mkdir -p ".$path"; else mkdir -p ".\${path%/*}"; : > ".$path"; fi
  mount --rbind "$path" ".$path"
  mount -o remount,bind,ro,nosuid "$path" ".$path" 2>/dev/null || mount -o remount,bind,ro ".$path"
done
unset IFS
mount -t tmpfs -o size=64m,nosuid,nodev tmpfs tmp
pivot_root . old
cd /tmp
exec "$@"`;

export function namespaces(folders: readonly string[]): Confinement {
  const root = mkdtempSync(join(tmpdir(), 'xinghe-sandbox-'));
  const visible = [...SYSTEM_FOLDERS, ...folders].join(':');
  const environment = ENVIRONMENT.map(([name, value]) => `${name}=${value}`);
  return {
    name: 'namespaces',
    wrap: (command) => [
      'unshare',
      '--user',
      '--map-root-user',
      '--mount',
      '--net',
      '--ipc',
      '--uts',
      '--pid',
      '--fork',
      '--kill-child=KILL',
      'sh',
      '-c',
      NEW_ROOT,
      'sh',
      root,
      visible,
      'env',
      '-i',
      ...environment,
      ...command,
    ],
    oldRoot: '/old',
    dispose: () => rmdirSync(root),
  };
}

/** For who said that these programs may do as they like. */
export const UNCONFINED: Confinement = {
  name: 'none',
  wrap: (command) => command,
  oldRoot: '',
  dispose: () => {},
};

/** The first that works here; undefined where none does. @param isSound runs something in it */
export function findConfinement(
  folders: readonly string[],
  isSound: (confinement: Confinement) => boolean,
): Confinement | undefined {
  for (const make of [bubblewrap, namespaces]) {
    const found = make(folders);
    if (isSound(found)) return found;
    found.dispose();
  }
  return undefined;
}
