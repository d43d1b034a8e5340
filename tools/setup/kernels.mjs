// Compiles native/cuda/kernels.cu to build/kernels.fatbin, for the generations of devices that are named here: code that runs as it is,
// and text for later ones. Where there is no nvcc nothing is made, and operators run composed.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildFolder, filesBelow, fingerprintFiles, readJson, root, writeJson } from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { findProgram, lastLines, runProgram } from './run-program.mjs';

export const kernelsFile = join(buildFolder, 'kernels.fatbin');
const source = join(root, 'native', 'cuda', 'kernels.cu');
const recordFile = join(buildFolder, 'kernels.json');
const targets = [
  'arch=compute_80,code=sm_80',
  'arch=compute_90,code=sm_90',
  'arch=compute_90,code=compute_90',
];

/** @returns {string | undefined} $NVCC, that of the PATH, or that of the toolkit's own place */
function findNvcc() {
  if (process.env.NVCC) return process.env.NVCC;
  const usual = '/usr/local/cuda/bin/nvcc';
  return findProgram('nvcc') ?? (existsSync(usual) ? usual : undefined);
}

/** @returns {Promise<boolean>} whether the kernels are there; one that lies there already stays where there is no nvcc */
export async function buildKernels() {
  const nvcc = findNvcc();
  if (nvcc === undefined) return existsSync(kernelsFile);
  const key = fingerprintFiles(
    filesBelow(join(root, 'native', 'cuda')).filter((path) => /\.(cu|h)$/.test(path)),
  );
  if (readJson(recordFile)?.key === key && existsSync(kernelsFile)) return true;
  const start = performance.now();
  const temporary = `${kernelsFile}.${process.pid}.tmp`;
  const result = await runProgram(nvcc, [
    ...['-std=c++17', '-O3', `-I${join(root, 'native')}`, '--fatbin'],
    ...targets.flatMap((target) => ['-gencode', target]),
    ...['-o', temporary, source],
  ]);
  if (result.code !== 0) {
    rmSync(temporary, { force: true });
    throw new SetupError(
      `native/cuda/kernels.cu does not compile with ${nvcc} (NVCC names another one):\n${lastLines(result.output, 20)}`,
    );
  }
  renameSync(temporary, kernelsFile);
  writeJson(recordFile, { key, nvcc });
  say(`compiled native/cuda/kernels.cu with ${nvcc} (${since(start)})`);
  return true;
}
