/** `xinghe watch`: the page of finished and running runs, side by side. */
import { InputError } from '../errors/index.js';
import { log } from '../log/index.js';
import { isRunning, watchFolders } from '../training/index.js';
import { parseOptions } from './options.js';

const specs = {
  port: { kind: 'integer', min: 0, help: 'of 127.0.0.1; default 8080, 0 takes a free one' },
} as const;

const DEFAULT_PORT = 8080;

export async function watch(args: readonly string[]): Promise<number> {
  // The folders stand before the options.
  const from = args.findIndex((word) => word.startsWith('-'));
  const folders = from < 0 ? args : args.slice(0, from);
  const options = parseOptions(
    {
      command: 'xinghe watch FOLDER [FOLDER…]',
      summary: 'the page of finished and running training runs, several side by side',
      notes: 'A folder is the output of xinghe train. Ctrl+C ends it; the runs go on.',
    },
    specs,
    from < 0 ? [] : args.slice(from),
  );
  if (folders.length === 0)
    throw new InputError('xinghe watch: name the folder of a run first: xinghe watch FOLDER [FOLDER…]');
  const watched = await watchFolders(folders, { port: options.port ?? DEFAULT_PORT, isRunning });
  log(
    `watch ${folders.length === 1 ? folders[0] : `${folders.length} runs`} at ${watched.url} (Ctrl+C ends)`,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  await watched.close();
  return 0;
}
