// Where everything lies, how files are fingerprinted and replaced, and which platforms are known.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, or the folder of the installed package. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Installed by npm: its packages and dist/ are there, and what they were made from is not. */
export const isPackage = !existsSync(join(root, 'tsconfig.build.json'));
export const buildFolder = join(root, 'build');
export const addonFile = join(buildFolder, 'xinghe.node');
/** What the addon was built with; `xinghe doctor` reads it. */
export const buildRecordFile = join(buildFolder, 'build.json');
export const distFolder = join(root, 'dist');
export const platform = `${process.platform}-${process.arch}`;
export const libraryExtension = process.platform === 'darwin' ? 'dylib' : 'so';

/** @returns {string} the folder for what several checkouts share */
export function cacheFolder() {
  if (process.env.XINGHE_CACHE) return process.env.XINGHE_CACHE;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'xinghe');
}

/** @param {string} folder @returns {string[]} all files below it, sorted; none if it does not exist */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** @param {(string | Buffer)[]} parts @returns {string} 16 hex digits */
export function fingerprint(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** @param {string[]} paths @returns {string} fingerprint of names and contents */
export function fingerprintFiles(paths) {
  return fingerprint(paths.flatMap((path) => [path.slice(root.length), readFileSync(path)]));
}

/** @param {string} path @param {unknown} value whole or not at all */
export function writeJson(path, value) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(temporary, path);
}

/** @param {string} path @returns {any} undefined when there is no such file or it is not JSON */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
