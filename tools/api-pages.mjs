// Writes docs/api/ from the docstrings of what the root of the package exports: typedoc, of the declarations in dist/. A public name
// without a docstring is an error. typedoc reads through the compiler API of TypeScript up to 6.0, which the repository's
// TypeScript 7 does not have; so it has packages of its own (tools/api-pages/package.json), in the cache folder.
//
//   node tools/api-pages.mjs [--check]
//
// --check writes nothing and fails where docs/api/ is not what would be written. Exit code 3: its packages cannot be had.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, filesBelow, fingerprintFiles, root } from './setup/paths.mjs';

const lists = ['package.json', 'package-lock.json'].map((name) => join(root, 'tools', 'api-pages', name));
const folder = join(cacheFolder(), `api-pages-${fingerprintFiles(lists)}`);
const pages = join(root, 'docs', 'api');

function install() {
  if (existsSync(join(folder, 'node_modules'))) return;
  const fresh = `${folder}.tmp`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  for (const path of lists) copyFileSync(path, join(fresh, path.split(/[\\/]/).at(-1) ?? ''));
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], {
      cwd: fresh,
      stdio: 'inherit',
    });
  } catch {
    process.stderr.write('api-pages: typedoc cannot be installed; is there a registry?\n');
    process.exit(3);
  }
  renameSync(fresh, folder);
}

/** @param {string} output @returns {boolean} */
function write(output) {
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = {
    ...{ target: 'ES2023', lib: ['ES2023'], module: 'NodeNext', strict: true, skipLibCheck: true },
    ...{ types: ['node'], typeRoots: [join(folder, 'node_modules', '@types')], rootDir: root },
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [join(root, 'dist', 'index.d.ts')] }));
  const options = {
    entryPoints: [join(root, 'dist', 'index.d.ts')],
    tsconfig: config,
    out: output,
    plugin: [join(folder, 'node_modules', 'typedoc-plugin-markdown', 'dist', 'index.js')],
    name: 'xinghe',
    readme: 'none',
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    cleanOutputDir: true,
    githubPages: false,
    router: 'kind',
    validation: { notDocumented: true, notExported: false, invalidLink: true },
    requiredToBeDocumented: [
      ...['Class', 'Function', 'Interface', 'TypeAlias', 'Variable', 'Enum'],
      ...['Method', 'Property', 'Accessor'],
    ],
    treatValidationWarningsAsErrors: true,
  };
  const file = join(folder, 'typedoc.json');
  writeFileSync(file, JSON.stringify(options));
  const typedoc = join(folder, 'node_modules', 'typedoc', 'bin', 'typedoc');
  return (
    spawnSync(process.execPath, [typedoc, '--options', file], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    }).status === 0
  );
}

/** @param {string} path @returns {string} */
const content = (path) =>
  filesBelow(path)
    .map((file) => `${file.slice(path.length)}\n${readFileSync(file, 'utf8')}`)
    .join('\n');

const isCheck = process.argv.includes('--check');
install();
if (!isCheck) process.exitCode = write(pages) ? 0 : 1;
else {
  const output = mkdtempSync(join(tmpdir(), 'xinghe-api-'));
  if (!write(output)) process.exitCode = 1;
  else if (content(output) !== content(pages)) {
    process.stderr.write('api-pages: docs/api/ is not of these sources; run node tools/api-pages.mjs\n');
    process.exitCode = 1;
  }
  rmSync(output, { recursive: true, force: true });
}
