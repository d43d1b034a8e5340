// Compiles src/ to dist/. The new folder takes the old one's place only when it is whole.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pageFolder } from './page.mjs';
import { distFolder, filesBelow, fingerprintFiles, readJson, root, writeJson } from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { lastLines, runProgram } from './run-program.mjs';

const recordName = 'build.json';
const browserFolder = join('src', 'training', 'watch', 'page', 'client');
const reportFolder = join('src', 'evaluation', 'report', 'page', 'client');
const reportConfig = join(root, 'tools', 'setup', 'report-page.vite.mjs');
const exportFolder = join('src', 'export', 'page', 'client');
const exportConfig = join(root, 'tools', 'setup', 'export-page.vite.mjs');

export async function buildProgram() {
  const key = fingerprintFiles([
    ...filesBelow(join(root, 'src')).filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts')),
    ...['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => join(root, name)),
    join(root, browserFolder, 'tsconfig.json'),
    join(root, reportFolder, 'tsconfig.json'),
    reportConfig,
    join(root, exportFolder, 'tsconfig.json'),
    exportConfig,
  ]);
  if (readJson(join(distFolder, recordName))?.key === key) return;
  say('compiling src/ to dist/');
  const start = performance.now();
  const fresh = join(root, 'dist.tmp');
  rmSync(fresh, { recursive: true, force: true });
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const vite = join(root, 'node_modules', '.bin', 'vite');
  // What runs in browsers is a project of its own and has their types. Pages that are one file have their scripts bundled.
  for (const [program, ...options] of [
    [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh],
    [
      tsc,
      ...['-p', join(browserFolder, 'tsconfig.json')],
      ...['--outDir', join(fresh, 'training', 'watch', 'page', 'client')],
    ],
    [tsc, '-p', join(reportFolder, 'tsconfig.json')],
    [
      vite,
      ...['build', '--config', reportConfig, '--logLevel', 'warn'],
      ...['--outDir', join(fresh, 'evaluation', 'report', 'page', 'client')],
    ],
    [tsc, '-p', join(exportFolder, 'tsconfig.json')],
    [
      vite,
      ...['build', '--config', exportConfig, '--logLevel', 'warn'],
      ...['--outDir', join(fresh, 'export', 'page', 'client')],
    ],
  ]) {
    const result = await runProgram(program, options, { cwd: root });
    if (result.code === 0) continue;
    rmSync(fresh, { recursive: true, force: true });
    throw new SetupError(`src/ does not compile:\n${lastLines(result.output, 40)}`);
  }
  writeJson(join(fresh, recordName), { key });
  // The chat page has a build of its own (page.mjs); it moves along.
  if (existsSync(pageFolder)) renameSync(pageFolder, join(fresh, 'web'));
  const old = join(root, 'dist.old.tmp');
  rmSync(old, { recursive: true, force: true });
  if (existsSync(distFolder)) renameSync(distFolder, old);
  renameSync(fresh, distFolder);
  rmSync(old, { recursive: true, force: true });
  say(`compiled in ${since(start)}`);
}
