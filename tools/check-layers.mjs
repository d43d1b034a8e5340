// Checks the layer line at the top of src/index.ts against every import under src/: arrows point down only,
// folders of one layer do not import each other, other folders are reached through their index.ts alone,
// and no two files import each other in a circle. Prints each breach; exit code 1 if there is any.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', 'src');
const line = readFileSync(join(root, 'index.ts'), 'utf8')
  .split('\n')
  .find((text) => / > /.test(text));
if (line === undefined) throw new Error('src/index.ts has no layer line ("a > b, c > d")');
const layers = line
  .replace(/^[\s*]+/, '')
  .split('>')
  .map((layer) => layer.split(',').map((name) => name.trim()));
const level = new Map(layers.flatMap((names, index) => names.map((name) => [name, index])));

/** @param {string} folder @returns {string[]} */
function sourceFiles(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sourceFiles(path) : /\.ts$/.test(name) ? [path] : [];
  });
}

const breaches = [];
/** @type {Map<string, string[]>} value imports, file to files */
const graph = new Map();
const files = sourceFiles(root);
for (const file of files) {
  const here = relative(root, file);
  const folder = here.split(sep)[0];
  const isTest = /\.test(-d)?\.ts$/.test(here);
  const text = readFileSync(file, 'utf8');
  const imports = [];
  for (const match of text.matchAll(
    /^(?:import|export)\s(?:[^'";]*?\sfrom\s+)?'(\.{1,2}\/[^']+)'|import\('(\.{1,2}\/[^']+)'\)/gm,
  )) {
    const target = resolve(dirname(file), match[1] ?? match[2]).replace(/\.js$/, '.ts');
    const there = relative(root, target);
    const typeOnly = /^(import|export)\s+type\s/.test(match[0]);
    const targetFolder = there.split(sep)[0];
    if (there.startsWith('..')) {
      if (!isTest) breaches.push(`${here}: imports ${there}, outside src/`);
      continue;
    }
    if (!typeOnly && match[1] !== undefined) imports.push(target);
    if (isTest || folder === targetFolder || here === 'index.ts') continue;
    if (!level.has(folder)) breaches.push(`${here}: folder "${folder}" is not in the layer line`);
    else if (!level.has(targetFolder))
      breaches.push(`${here}: folder "${targetFolder}" is not in the layer line`);
    else if (level.get(folder) >= level.get(targetFolder))
      breaches.push(`${here}: "${folder}" may not import "${targetFolder}" (${there})`);
    if (!/^[^/\\]+[/\\]index\.ts$/.test(there))
      breaches.push(`${here}: imports ${there}; go through ${targetFolder}/index.ts`);
  }
  if (!isTest) graph.set(file, imports);
}

/** @type {Map<string, 'open' | 'done'>} */
const state = new Map();
/** @param {string} file @param {string[]} path */
function visit(file, path) {
  if (state.get(file) === 'done') return;
  if (state.get(file) === 'open') {
    const circle = [...path.slice(path.indexOf(file)), file].map((name) => relative(root, name));
    breaches.push(`import circle: ${circle.join(' -> ')}`);
    return;
  }
  state.set(file, 'open');
  for (const next of graph.get(file) ?? []) if (graph.has(next)) visit(next, [...path, file]);
  state.set(file, 'done');
}
for (const file of graph.keys()) visit(file, []);

for (const breach of breaches) console.error(breach);
console.error(`check-layers: ${files.length} files, ${breaches.length} breaches`);
process.exit(breaches.length === 0 ? 0 : 1);
