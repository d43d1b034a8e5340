// Bundles web/ to dist/web, which the server serves at `/`. The new folder takes the old one's place only when it is
// whole.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { distFolder, filesBelow, fingerprintFiles, readJson, root, writeJson } from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { lastLines, runProgram } from './run-program.mjs';

const folder = join(root, 'web');
export const pageFolder = join(distFolder, 'web');
/** With a dot: the server shows what lies here, but for such names. */
export const pageRecordFile = join(pageFolder, '.build.json');

export async function buildPage() {
  const key = fingerprintFiles([
    ...filesBelow(folder).filter((path) => !/\.test\.tsx?$/.test(path)),
    join(root, 'package-lock.json'),
  ]);
  if (readJson(pageRecordFile)?.key === key) return;
  say('bundling web/ to dist/web/');
  const start = performance.now();
  const fresh = join(root, 'web.tmp');
  rmSync(fresh, { recursive: true, force: true });
  const vite = join(root, 'node_modules', '.bin', 'vite');
  const result = await runProgram(vite, ['build', folder, '--outDir', fresh, '--logLevel', 'warn'], {
    cwd: root,
  });
  if (result.code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new SetupError(`web/ cannot be bundled:\n${lastLines(result.output, 40)}`);
  }
  writeJson(join(fresh, basename(pageRecordFile)), { key });
  const old = join(root, 'web.old.tmp');
  rmSync(old, { recursive: true, force: true });
  mkdirSync(distFolder, { recursive: true });
  if (existsSync(pageFolder)) renameSync(pageFolder, old);
  renameSync(fresh, pageFolder);
  rmSync(old, { recursive: true, force: true });
  say(`bundled in ${since(start)}`);
}
