// Which test files are nearest to a source: the one beside it, those of its folder, then the others by how many
// imports lie between.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesBelow, root } from '../setup/paths.mjs';

/** Statements that take values from a file of ours; types are gone at run time. */
const IMPORT = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'/gm;

/** Pages, whole commands and random bodies: they run in other processes, or take minutes. */
const ELSEWHERE = /\.long\.test\.ts$|-page|serving-load|-process\.test|demo\.test|fuzz/;

/** @param {readonly string[]} parts only test files whose path holds one of these; '' is in all */
export function nearestTests(parts) {
  const files = ['src', 'tests']
    .flatMap((folder) => filesBelow(join(root, folder)))
    .map((file) => relative(root, file))
    .filter((file) => file.endsWith('.ts'));
  const known = new Set(files);
  /** Who imports a file. @type {Map<string, string[]>} */
  const importers = new Map();
  for (const file of files)
    for (const [, target = ''] of readFileSync(join(root, file), 'utf8').matchAll(IMPORT)) {
      const source = join(dirname(file), target.replace(/\.js$/, '.ts'));
      if (known.has(source)) importers.set(source, [...(importers.get(source) ?? []), file]);
    }
  const isWanted = (/** @type {string} */ file) =>
    file.endsWith('.test.ts') && !ELSEWHERE.test(file) && parts.some((part) => file.includes(part));

  /** @param {string} source @returns {string[]} nearest first */
  return (source) => {
    /** @type {Map<string, number>} */
    const distance = new Map([[source, 0]]);
    for (const [file, steps] of distance)
      for (const importer of importers.get(file) ?? [])
        if (!distance.has(importer)) distance.set(importer, steps + 1);
    const beside = source.replace(/\.ts$/, '.test.ts');
    const rank = (/** @type {string} */ file) =>
      file === beside ? 0 : dirname(file) === dirname(source) ? 1 : 1 + (distance.get(file) ?? 0);
    return [...distance.keys()]
      .filter(isWanted)
      .sort((a, b) => rank(a) - rank(b) || shared(b, source) - shared(a, source) || (a < b ? -1 : 1));
  };
}

/** How many folders two files have in common. @param {string} a @param {string} b */
function shared(a, b) {
  const [left, right] = [a.split('/'), b.split('/')];
  const end = left.findIndex((folder, index) => folder !== right[index]);
  return end === -1 ? left.length : end;
}
