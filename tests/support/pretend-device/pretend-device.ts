/** A device that is not there, and takes no more than CUDA would (pretend-device.cpp): "pretend:0". */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativeBuild } from '../../../src/tensor/index.js';
import { native } from '../../../src/tensor/native.js';

const source = fileURLToPath(new URL('pretend-device.cpp', import.meta.url));
const buildFolder = fileURLToPath(new URL('../../../build/', import.meta.url));

let loaded = false;

/** Compiled where that has not been done yet: some ten seconds. @returns its name */
export function loadPretendDevice(): string {
  if (!loaded) native().loadLibrary(builtLibrary());
  loaded = true;
  return 'pretend:0';
}

function builtLibrary(): string {
  const build = nativeBuild();
  if (build === undefined)
    throw new Error('the pretended device needs build/build.json; run `npm run setup`');
  const { path, version } = build.libtorch;
  const key = createHash('sha256').update(readFileSync(source)).update(path).update(version).digest('hex');
  const folder = join(buildFolder, 'pretend-device');
  const library = join(folder, `${key.slice(0, 16)}.so`);
  if (existsSync(library)) return library;
  mkdirSync(folder, { recursive: true });
  const include = join(path, 'include');
  const temporary = `${library}.${process.pid}.tmp`;
  execFileSync(process.env.CXX ?? 'g++', [
    ...['-std=c++20', '-O1', '-fPIC', '-shared', '-o', temporary, source],
    ...[include, join(include, 'torch', 'csrc', 'api', 'include')].flatMap((folder) => ['-isystem', folder]),
    ...[`-L${join(path, 'lib')}`, '-ltorch_cpu', '-lc10'],
  ]);
  renameSync(temporary, library);
  return library;
}
