// Checks the documents against the files: the annotated tree of README.md and README.zh.md names every top-level folder
// and every folder directly under src/, both name the same paths, and every path of the trees, of the links and of the
// inline code in the documents exists. Prints each breach; exit code 1 if there is any.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const readmes = ['README.md', 'README.zh.md'];
/** Made by the set-up or by git; no part of the sources. */
const unlisted = new Set(['.git', 'build', 'dist', 'node_modules', 'out']);
/** @type {string[]} */
const breaches = [];

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), 'utf8');

/** @param {string} path @returns {string[]} */
function foldersIn(path) {
  return readdirSync(join(root, path)).filter(
    (name) => !unlisted.has(name) && statSync(join(root, path, name)).isDirectory(),
  );
}

/**
 * The paths of the tree: a fenced block whose first line is `./`, two spaces of indentation a level, each line a name,
 * two spaces or more, and a phrase.
 * @param {string} readme @returns {string[]}
 */
function treePaths(readme) {
  const block = /^```\n\.\/.*\n([\s\S]*?)^```/m.exec(read(readme))?.[1];
  if (block === undefined) {
    breaches.push(`${readme}: has no tree (a fenced block that begins with "./")`);
    return [];
  }
  /** @type {string[]} */
  const parents = [];
  return block
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, indent = '', name = '', phrase = ''] = /^( *)(\S+)(?: {2,}(.*))?$/.exec(line) ?? [];
      const depth = indent.length / 2 - 1;
      if (name === '' || phrase === '' || !Number.isInteger(depth) || depth > parents.length)
        breaches.push(`${readme}: the line "${line}" of the tree is not a name and a phrase`);
      const path = (parents[depth - 1] ?? '') + name;
      parents.length = Math.max(0, depth);
      parents.push(path);
      return path;
    });
}

/** Link targets, and inline code that reads like a path into the sources. @param {string} text @returns {string[]} */
function namedPaths(text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const links = [...prose.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, target = '']) => `link ${target}`);
  const code = [...prose.matchAll(/`([^`\n]+)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => /^(?:\.ci|bench|bin|docs|native|recipes|src|tests|tools)\/[\w./-]*$/.test(path));
  return [...links.filter((link) => !/^link [a-z]+:/.test(link)), ...code];
}

const trees = readmes.map(treePaths);
for (const [index, paths] of trees.entries()) {
  const readme = readmes[index];
  const named = new Set(paths);
  for (const folder of [...foldersIn('.'), ...foldersIn('src').map((name) => `src/${name}`)])
    if (!named.has(`${folder}/`)) breaches.push(`${readme}: the tree does not name ${folder}/`);
  for (const path of paths)
    if (!existsSync(join(root, path)))
      breaches.push(`${readme}: the tree names ${path}, which does not exist`);
  for (const path of trees[0] ?? [])
    if (!named.has(path)) breaches.push(`${readme}: the tree lacks ${path}, which ${readmes[0]} names`);
}

// The log speaks of the past, and of what is no longer there.
const documents = [...readmes, ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter(
  (path) => path.endsWith('.md') && path !== 'docs/log.md',
);
for (const document of documents)
  for (const named of namedPaths(read(document))) {
    const path = named.startsWith('link ') ? join(dirname(document), named.slice('link '.length)) : named;
    if (!existsSync(join(root, path))) breaches.push(`${document}: names ${path}, which does not exist`);
  }

for (const breach of breaches) console.error(breach);
console.error(`check-readme: ${documents.length} documents, ${breaches.length} breaches`);
process.exit(breaches.length === 0 ? 0 : 1);
