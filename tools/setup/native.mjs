// Compiles native/**/*.cpp to objects in parallel and links build/xinghe.node; native/cuda/kernels.cu is another tool's (kernels.mjs).
//
// An object's file name holds the fingerprint of everything that it depends on, so an object that is there is never
// stale, and an interrupted run leaves only whole objects. What a file costs is mostly the headers of libtorch that it
// includes: <ATen/core/Tensor.h> takes 2 s, <ATen/ops/….h> 5, <torch/library.h> 6, <ATen/ATen.h> and
// <torch/csrc/autograd/custom_function.h> 12. So each of the heavy ones is included by one file of ours. A precompiled
// header was measured and left out: 385 MB and 23 s, more than all files together would save.
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { findCompiler } from './compiler.mjs';
import {
  addonFile,
  buildFolder,
  buildRecordFile,
  filesBelow,
  fingerprint,
  platform,
  readJson,
  root,
  writeJson,
} from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { lastLines, runProgram } from './run-program.mjs';

const nativeFolder = join(root, 'native');
const objectFolder = join(buildFolder, 'obj');
// One compilation of libtorch's headers takes up to 1 GB of memory.
const memoryPerJob = 1.5 * 2 ** 30;
// Those that take the longest start first, so that none of them is left to the end by itself.
const slowest = new Set(['graph', 'dispatcher', 'functions', 'cpu_operators', 'cpu_paged-attention-avx512']);

// Functions begin at cache lines: where the linker happened to put a kernel made 5 to 20 % of its speed.
const compileFlags = [
  ...['-std=c++20', '-O2', '-fPIC', '-fvisibility=hidden', '-falign-functions=64'],
  '-DNAPI_VERSION=8',
];
// libtorch_cuda is not linked: it is loaded at run time where it can be, so a CUDA build of libtorch also serves a
// machine without CUDA.
const linkFlags =
  process.platform === 'darwin'
    ? ['-dynamiclib', '-undefined', 'dynamic_lookup', '-ltorch_cpu', '-lc10']
    : ['-shared', '-ltorch_cpu', '-lc10'];

/**
 * @typedef {{ name: string, source: string, object: string, flags: string[] }} Unit one source file and its object
 * @typedef {import('./libtorch.mjs').Libtorch} Libtorch
 * @typedef {import('./compiler.mjs').Compiler} Compiler
 */

/** @param {Libtorch} libtorch */
export async function buildNative(libtorch) {
  mkdirSync(objectFolder, { recursive: true });
  const compiler = await rememberedCompiler();
  const units = listUnits(libtorch, compiler);
  const objects = units.map((unit) => unit.object);
  const key = fingerprint([...objects.map((path) => basename(path)), ...linkFlags, libtorch.path]);
  const record = readJson(buildRecordFile);
  const present = new Set(filesBelow(buildFolder));
  if (record?.key === key && present.has(addonFile)) return;

  const stale = units.filter((unit) => !present.has(unit.object));
  await compileAll(stale, libtorch, compiler);
  await link(objects, libtorch, compiler);
  writeJson(buildRecordFile, {
    key,
    libtorch: { path: libtorch.path, version: libtorch.version, origin: libtorch.origin },
    compiler,
    platform,
    node: process.versions.node,
    builtAt: new Date().toISOString(),
  });
  for (const path of filesBelow(objectFolder)) if (!objects.includes(path)) rmSync(path, { force: true });
}

/** The compiler of the last build while nothing about it has changed: probing takes a second. */
async function rememberedCompiler() {
  const path = join(buildFolder, 'compiler.json');
  const known = readJson(path);
  const asked = { CXX: process.env.CXX ?? null, PATH: process.env.PATH ?? null };
  if (known !== undefined && known.asked?.CXX === asked.CXX && known.asked?.PATH === asked.PATH) {
    const result = await runProgram(known.compiler.command, [...known.compiler.args, '--version']);
    if (result.code === 0 && result.stdout.split('\n')[0]?.trim() === known.compiler.version)
      return known.compiler;
  }
  const compiler = await findCompiler();
  writeJson(path, { asked, compiler });
  return compiler;
}

/** @param {Libtorch} libtorch @param {Compiler} compiler @returns {Unit[]} */
function listUnits(libtorch, compiler) {
  const files = filesBelow(nativeFolder);
  const present = new Set(files);
  const shared = fingerprint([
    ...compileFlags,
    compiler.command,
    ...compiler.args,
    compiler.version,
    libtorch.path,
    libtorch.version,
  ]);
  return files
    .filter((path) => path.endsWith('.cpp'))
    .map((source) => {
      const text = readFileSync(source, 'utf8');
      const name = relative(nativeFolder, source)
        .replaceAll(/[\\/]/g, '_')
        .replace(/\.cpp$/, '');
      const headers = headersOf(source, present).sort();
      const read = headers.flatMap((path) => [relative(root, path), readFileSync(path)]);
      const object = join(objectFolder, `${name}-${fingerprint([shared, text, ...read])}.o`);
      return { name, source, object, flags: ownFlags(text) };
    });
}

/**
 * Headers of ours that a file includes, and those that they include: beside it or from native/ down.
 * @param {string} file @param {ReadonlySet<string>} present @param {Set<string>} found
 */
function headersOf(file, present, found = new Set()) {
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s+[<"]([^>"]+)[>"]/gm)) {
    const header = [join(dirname(file), name), join(nativeFolder, name)].find((path) => present.has(path));
    if (header === undefined || found.has(header)) continue;
    found.add(header);
    headersOf(header, present, found);
  }
  return [...found];
}

/**
 * A source file may ask for flags of its own, for one processor each, by comment lines such as
 * `// compile flags (x64): -mavx2 -mfma`. Such code must ask the processor before it is called.
 * @param {string} text @returns {string[]}
 */
function ownFlags(text) {
  return [...text.matchAll(/^\/\/ compile flags \((\w+)\): (.+)$/gm)]
    .filter((match) => match[1] === process.arch)
    .flatMap((match) => match[2].trim().split(/\s+/));
}

/** @param {Unit[]} units @param {Libtorch} libtorch @param {Compiler} compiler */
async function compileAll(units, libtorch, compiler) {
  if (units.length === 0) return;
  const jobs = Math.max(
    1,
    Math.min(availableParallelism(), Math.floor(totalmem() / memoryPerJob), units.length),
  );
  say(`compiling ${units.length} native files with ${compiler.version} (${jobs} at a time)`);
  const start = performance.now();
  const isSlow = (/** @type {Unit} */ unit) => slowest.has(unit.name);
  const waiting = [...units.filter(isSlow), ...units.filter((unit) => !isSlow(unit))];
  const worker = async () => {
    for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) {
      const fileStart = performance.now();
      await compile(unit, libtorch, compiler).catch((error) => {
        waiting.length = 0;
        throw error;
      });
      say(`  ${relative(root, unit.source)} (${since(fileStart)})`);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: jobs }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  say(`compiled in ${since(start)}`);
}

/** @returns {string} in our node_modules, or in that of whoever installed us */
function nodeApiHeaders() {
  const { resolve } = createRequire(join(root, 'package.json'));
  return join(dirname(resolve('node-api-headers/package.json')), 'include');
}

/** @param {Unit} unit @param {Libtorch} libtorch @param {Compiler} compiler */
async function compile(unit, libtorch, compiler) {
  const include = join(libtorch.path, 'include');
  const temporary = `${unit.object}.${process.pid}.tmp`;
  const result = await runProgram(compiler.command, [
    ...compiler.args,
    ...compileFlags,
    ...unit.flags,
    `-I${nativeFolder}`,
    ...[include, join(include, 'torch', 'csrc', 'api', 'include')].flatMap((path) => ['-isystem', path]),
    ...['-isystem', nodeApiHeaders()],
    ...['-c', unit.source, '-o', temporary],
  ]);
  if (result.code !== 0) {
    rmSync(temporary, { force: true });
    throw new SetupError(
      `${relative(root, unit.source)} does not compile with ${compiler.version} against libtorch ` +
        `${libtorch.version} (${libtorch.path}):\n${lastLines(result.output, 40)}`,
    );
  }
  renameSync(temporary, unit.object);
}

/** @param {string[]} objects @param {Libtorch} libtorch @param {Compiler} compiler */
async function link(objects, libtorch, compiler) {
  const start = performance.now();
  const libraries = join(libtorch.path, 'lib');
  const temporary = `${addonFile}.${process.pid}.tmp`;
  const result = await runProgram(compiler.command, [
    ...compiler.args,
    ...['-o', temporary, ...objects, `-L${libraries}`],
    ...linkFlags,
    ...['-Xlinker', '-rpath', '-Xlinker', libraries],
  ]);
  if (result.code !== 0) {
    rmSync(temporary, { force: true });
    throw new SetupError(
      `the addon does not link against ${libraries} (libtorch ${libtorch.version}):\n${lastLines(result.output, 40)}`,
    );
  }
  renameSync(temporary, addonFile);
  say(`linked build/xinghe.node (${since(start)})`);
}
