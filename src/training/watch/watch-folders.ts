/** The watch page over the folders of runs, finished ones and running ones. */
import { basename, resolve, sep } from 'node:path';
import { InputError } from '../../errors/index.js';
import { checkRunFolder, RunFolder } from './run-folder.js';
import { explainListenFault } from './watch-server.js';
import { WatchService, watchAddress } from './watch-service.js';
import { WatchedRun } from './watched-run.js';

export interface WatchFoldersOptions {
  /** 0: a free one. */
  readonly port: number;
  /** Whether a process trains into the folder now. */
  readonly isRunning: (folder: string) => boolean;
}

export interface WatchedFolders {
  readonly url: string;
  close(): Promise<void>;
}

/** More lines than this nobody tells apart. */
const MOST_RUNS = 16;
const HOST = '127.0.0.1';

/** @throws InputError for a folder without a run, the same one twice, too many, or a port that is taken */
export async function watchFolders(
  folders: readonly string[],
  { port, isRunning }: WatchFoldersOptions,
): Promise<WatchedFolders> {
  const paths = folders.map((folder) => resolve(folder));
  for (const folder of folders) checkRunFolder(folder);
  const twice = folders.find((_, index) => paths.indexOf(paths[index] ?? '') !== index);
  if (twice !== undefined) throw new InputError(`${twice}: is named twice.`);
  if (folders.length > MOST_RUNS)
    throw new InputError(`${folders.length} folders: at most ${MOST_RUNS} are shown side by side.`);
  const labels = labelsOf(paths);
  const [first, ...others] = labels.map(
    (label, index) =>
      new WatchedRun({ id: String(index), label, followed: true, setup: { config: undefined } }),
  );
  if (first === undefined) throw new InputError('name a folder of a run.');
  const runs: [WatchedRun, ...WatchedRun[]] = [first, ...others];
  const sources = runs.map((run, index) => {
    const folder = paths[index] ?? '';
    return new RunFolder(folder, run, () => isRunning(folder));
  });
  const service = new WatchService({ host: HOST, runs });
  const chosen = await service.listen(port).catch((error: unknown) => {
    for (const run of runs) run.close();
    throw new InputError(`${watchAddress(HOST, port)}: ${explainListenFault(error, '--port')}.`);
  });
  await Promise.all(sources.map((source) => source.start()));
  return {
    url: watchAddress(HOST, chosen),
    async close() {
      for (const source of sources) source.close();
      await service.close();
    },
  };
}

/** The names of the folders, with as much of the path before them as tells them apart. */
function labelsOf(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(sep).filter((part) => part !== ''));
  const longest = Math.max(...parts.map(({ length }) => length));
  for (let count = 1; count < longest; count++) {
    const labels = parts.map((part) => part.slice(-count).join('/'));
    if (new Set(labels).size === labels.length) return labels;
  }
  return paths.map((path) => (paths.length === 1 ? basename(path) : path));
}
