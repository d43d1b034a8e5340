// Finds libtorch: $LIBTORCH, the torch of python3, the cache folder, else pip downloads it into the cache folder.
// Python is never run for anything but finding and downloading it, and torch is never imported.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { withLock } from './lock.mjs';
import { buildFolder, cacheFolder, libraryExtension, platform, readJson, writeJson } from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { findProgram, lastLines, runProgram } from './run-program.mjs';
import { unzip } from './unzip.mjs';

/** The version that is fetched where none is found. */
const fetchedVersion = '2.13.0';
const oldestVersion = '2.11';
const newestVersion = '2.13';
const choiceFile = join(buildFolder, 'libtorch.json');

// Tags of torch's published wheels. Any CPython's wheel will do, as its Python part is not used; naming one lets
// every Python run the download.
const wheelPlatforms = new Map([
  ['linux-x64', 'manylinux_2_28_x86_64'],
  ['linux-arm64', 'manylinux_2_28_aarch64'],
  ['darwin-arm64', 'macosx_14_0_arm64'],
]);
const wheelPython = '3.11';
// The libraries, the headers, and what some platforms' wheels keep beside them (OpenMP, OpenBLAS).
const wheelParts = ['torch/lib/', 'torch/include/', 'torch/version.py', 'torch.libs/', 'torch/.dylibs/'];

/**
 * @typedef {{ path: string, version: string, origin: string }} Libtorch
 *   path: the folder that holds lib/ and include/; origin: where it was found, in words
 * @typedef {{ path: string, version: string } | { fault: string }} Finding
 */

/**
 * @param {{ again?: boolean }} [options] again: search anew instead of keeping the last choice
 * @returns {Promise<Libtorch>}
 */
export async function findLibtorch(options = {}) {
  const asked = { LIBTORCH: process.env.LIBTORCH ?? null, python3: findProgram('python3') ?? null };
  const last = readJson(choiceFile);
  if (
    !options.again &&
    last?.asked?.LIBTORCH === asked.LIBTORCH &&
    last.asked.python3 === asked.python3 &&
    'path' in examine(last.libtorch.path)
  )
    return last.libtorch;

  const libtorch = await search();
  say(`libtorch ${libtorch.version} (${libtorch.origin}): ${libtorch.path}`);
  writeJson(choiceFile, { asked, libtorch });
  return libtorch;
}

/** @returns {Promise<Libtorch>} */
async function search() {
  if (process.env.LIBTORCH) return fromEnvironment(resolve(process.env.LIBTORCH));
  const tried = ['$LIBTORCH: not set'];
  const fromPython = await inPython();
  if ('path' in fromPython) return { ...fromPython, origin: 'the torch of python3' };
  tried.push(`the torch of python3: ${fromPython.fault}`);

  const cached = join(cacheFolder(), `libtorch-${fetchedVersion}-${platform}`);
  const found = examine(join(cached, 'torch'));
  if ('path' in found) return { ...found, origin: 'the cache folder' };
  tried.push(`the cache folder: ${found.fault}`);

  const fetched = await withLock(`${cached}.lock`, () => fetchInto(cached));
  if ('path' in fetched) return { ...fetched, origin: 'fetched by pip' };
  tried.push(`pip: ${fetched.fault}`);
  throw new SetupError(
    `libtorch was not found. Looked for version ${oldestVersion} to ${newestVersion} in:\n` +
      `${tried.map((line) => `  ${line.replaceAll('\n', '\n    ')}`).join('\n')}\n` +
      'Do one of these and run again:\n' +
      '  - set LIBTORCH to a folder that holds lib/ and include/ (a libtorch, or an installed torch package)\n' +
      `  - install it for the python3 on the PATH: python3 -m pip install torch==${fetchedVersion}\n` +
      `  - make \`python3 -m pip download torch==${fetchedVersion}\` work; where it brings a CUDA build, point pip to\n` +
      "    PyTorch's index of CPU builds (PIP_EXTRA_INDEX_URL), or pip-install torch with all that it needs",
  );
}

/** @param {Libtorch} libtorch @returns {boolean} whether it can drive CUDA devices */
export function hasCuda({ path }) {
  return existsSync(join(path, 'lib', `libtorch_cuda.${libraryExtension}`));
}

/** @param {string} folder @returns {Promise<Libtorch>} */
async function fromEnvironment(folder) {
  // What `pip install --target` makes holds the package one level down.
  const package_ = join(folder, 'torch');
  const found = await examineAndLoad(existsSync(join(package_, 'lib')) ? package_ : folder);
  if ('path' in found) return { ...found, origin: '$LIBTORCH' };
  throw new SetupError(
    `$LIBTORCH does not lead to a usable libtorch: ${found.fault}.\n` +
      `It must be a folder that holds lib/ and include/ of libtorch ${oldestVersion} to ${newestVersion}: an unpacked ` +
      'libtorch or an\ninstalled torch package (as `python3 -m pip show -f torch` lists it). Unset it to have one ' +
      'found or fetched.',
  );
}

/** @returns {Promise<Finding>} */
async function inPython() {
  const python = findProgram('python3');
  if (python === undefined) return { fault: 'no python3 on the PATH' };
  const program =
    'import importlib.util as u\ns = u.find_spec("torch")\nprint(s.origin if s and s.origin else "")';
  const result = await runProgram(python, ['-c', program]);
  if (result.code !== 0) return { fault: `${python} failed: ${lastLines(result.output, 1)}` };
  const origin = result.stdout.trim();
  if (origin === '') return { fault: `${python} has no torch` };
  return await examineAndLoad(dirname(origin));
}

/** @param {string} folder @returns {Finding} are all parts there, of a supported version? */
function examine(folder) {
  if (!existsSync(folder)) return { fault: `${folder} does not exist` };
  const libraries = ['torch_cpu', 'c10'].map((name) => `lib/lib${name}.${libraryExtension}`);
  for (const part of [...libraries, 'include/ATen/ATen.h'])
    if (!existsSync(join(folder, part))) return { fault: `${folder} holds no ${part}` };
  const version = readVersion(folder);
  if (version === undefined) return { fault: `${folder} names no version (version.py, build-version)` };
  if (!isSupported(version))
    return {
      fault: `${folder} is version ${version}; supported are ${oldestVersion} to ${newestVersion}`,
    };
  return { path: folder, version };
}

/**
 * Also loads the library, in a process of its own: a build for another processor or system, or one for CUDA without
 * the CUDA libraries, is better refused here than after compiling against it.
 * @param {string} folder @returns {Promise<Finding>}
 */
async function examineAndLoad(folder) {
  const found = examine(folder);
  if ('fault' in found) return found;
  const library = join(folder, 'lib', `libtorch_cpu.${libraryExtension}`);
  const result = await runProgram(process.execPath, ['-e', loadProgram, library]);
  if (result.code === 0) return found;
  return {
    fault:
      `${folder} (version ${found.version}) cannot be loaded: ${lastLines(result.output, 1)}` +
      (readText(join(folder, 'version.py')).match(/^cuda.*= '/m)
        ? '\n(it is a CUDA build, which needs the nvidia packages that pip installs with it)'
        : ''),
  };
}

// It is a library and no addon, so Node loads it and then complains that it did not register itself.
const loadProgram = `
try { process.dlopen({ exports: {} }, process.argv[1]) } catch (error) {
  if (!error.message.includes('did not self-register')) { console.error(error.message); process.exit(1) }
}`;

/** @param {string} folder @returns {string | undefined} such as 2.13.0+cpu */
function readVersion(folder) {
  const ofPackage = readText(join(folder, 'version.py')).match(/__version__ = '([^']+)'/)?.[1];
  return (
    ofPackage ??
    readText(join(folder, 'build-version'))
      .trim()
      .match(/^\d[^\s]*$/)?.[0]
  );
}

/** @param {string} path */
function readText(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** @param {string} version */
function isSupported(version) {
  const number = (/** @type {string} */ text) => {
    const [major = 0, minor = 0] = text.split('.').map(Number);
    return major * 1000 + minor;
  };
  return number(version) >= number(oldestVersion) && number(version) <= number(newestVersion);
}

/**
 * Downloads the wheel and unpacks it; the folder appears whole or not at all. Only under the cache's lock.
 * @param {string} target
 * @returns {Promise<Finding>}
 */
async function fetchInto(target) {
  const byAnother = examine(join(target, 'torch'));
  if ('path' in byAnother) return byAnother;
  const tag = wheelPlatforms.get(platform);
  if (tag === undefined)
    return { fault: `no wheel is known for ${platform} (known: ${[...wheelPlatforms.keys()].join(', ')})` };
  const temporary = `${target}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    say(`pip downloads torch ${fetchedVersion} for ${target} (the CPU build: 200 MB, unpacked 500 MB)`);
    const start = performance.now();
    const wheel = await download(temporary, tag);
    if ('fault' in wheel) return wheel;
    say(`downloaded in ${since(start)}`);
    const unpackStart = performance.now();
    const unpacked = join(temporary, 'unpacked');
    const bytes = await unzip(wheel.path, unpacked, (name) =>
      wheelParts.some((part) => name.startsWith(part)),
    );
    const found = await examineAndLoad(join(unpacked, 'torch'));
    if ('fault' in found) return { fault: `${basename(wheel.path)} was downloaded, but ${found.fault}` };
    rmSync(target, { recursive: true, force: true });
    renameSync(unpacked, target);
    say(`unpacked ${(bytes / 1e6).toFixed(0)} MB in ${since(unpackStart)}`);
    return { ...found, path: join(target, 'torch') };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * @param {string} folder @param {string} tag
 * @returns {Promise<{ path: string } | { fault: string }>} the wheel
 */
async function download(folder, tag) {
  const wanted = [
    'download',
    `torch==${fetchedVersion}`,
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    folder,
  ];
  const target = ['--python-version', wheelPython, '--implementation', 'cp', '--platform', tag];
  const faults = [];
  for (const [program, ...first] of [['python3', '-m', 'pip'], ['pip3'], ['pip']]) {
    const path = findProgram(program);
    if (path === undefined) {
      faults.push(`${program}: not on the PATH`);
      continue;
    }
    const result = await runProgram(path, [...first, ...wanted, ...target, '--progress-bar', 'off']);
    const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
    if (result.code === 0 && wheel !== undefined) return { path: join(folder, wheel) };
    faults.push(
      `${[program, ...first].join(' ')} download torch==${fetchedVersion} (${tag}): ${lastLines(result.output, 3)}`,
    );
    // Another name of the same pip would fail in the same way.
    if (!result.output.includes('No module named pip')) break;
  }
  return { fault: faults.join('\n') };
}
