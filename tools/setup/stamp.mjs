// Answers within milliseconds whether the last whole set-up is still current: a list of all that went into it, by
// name, size and time of change. When in doubt the set-up runs and compares contents.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pageRecordFile } from './page.mjs';
import {
  addonFile,
  buildFolder,
  distFolder,
  filesBelow,
  platform,
  readJson,
  root,
  writeJson,
} from './paths.mjs';

const stampFile = join(buildFolder, 'stamp.json');
const inputFolders = ['native', 'src', 'web', 'tools/setup'];
const inputFiles = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

export function writeStamp() {
  writeJson(stampFile, describe());
}

/** @returns {boolean} */
export function isCurrent() {
  if (!existsSync(stampFile)) return false;
  return readFileSync(stampFile, 'utf8') === `${JSON.stringify(describe(), null, 2)}\n`;
}

function describe() {
  const inputs = [
    ...inputFolders
      .flatMap((folder) => filesBelow(join(root, folder)))
      .filter((path) => !/\.test\.tsx?$/.test(path)),
    ...inputFiles.map((name) => join(root, name)),
  ];
  const libtorch = readJson(join(buildFolder, 'libtorch.json'))?.libtorch?.path;
  const results = [
    addonFile,
    join(distFolder, 'build.json'),
    pageRecordFile,
    join(root, 'node_modules', '.package-lock.json'),
  ];
  return {
    platform,
    LIBTORCH: process.env.LIBTORCH ?? null,
    libtorch: libtorch !== undefined && existsSync(join(libtorch, 'lib')) ? libtorch : null,
    files: Object.fromEntries(
      [...results, ...inputs].map((path) => [path.slice(root.length + 1), sizeAndTime(path)]),
    ),
  };
}

/** @param {string} path @returns {string} */
function sizeAndTime(path) {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? 'absent' : `${status.size} ${status.mtimeMs}`;
}
