// Packs a check for a machine with a GPU that has Python, PyTorch and a compiler, and neither Node nor a network:
//
//   node tools/gpu-check.mjs pack --output FILE.tar.gz [--node BINARY]
//
// There: tar xf FILE.tar.gz && sh xinghe-gpu-check/run.sh (tools/gpu-check/run.sh says what it takes). --node: a Node of one's own, built for
// Linux x64, in the place of npm's. Exit code 0 done, 2 bad usage, 1 the archive could not be made or is too large.
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pack, sizeLimit } from './gpu-check/pack.mjs';

class UsageError extends Error {}

/** @returns {{ output: string, node?: string }} */
function readOptions() {
  const options = /** @type {const} */ ({ output: { type: 'string' }, node: { type: 'string' } });
  let read;
  try {
    read = parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { positionals, values } = read;
  if (positionals.length !== 1 || positionals[0] !== 'pack')
    throw new UsageError(`the one command is pack; found "${positionals.join(' ')}"`);
  if (values.output === undefined || !/\.(tar\.gz|tgz)$/.test(values.output))
    throw new UsageError(`--output takes a FILE.tar.gz; found "${values.output ?? ''}"`);
  const folder = dirname(resolve(values.output));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UsageError(`--output ${values.output}: there is no folder ${folder}`);
  if (values.node !== undefined && statSync(values.node, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UsageError(`--node ${values.node}: there is no such file`);
  return { output: values.output, ...(values.node !== undefined && { node: values.node }) };
}

try {
  const options = readOptions();
  const { bytes, files, hasKernels } = await pack(options);
  const megabytes = (bytes / 1e6).toFixed(1);
  process.stderr.write(`gpu-check: ${options.output}: ${files.length} files, ${megabytes} MB\n`);
  if (!hasKernels)
    process.stderr.write(
      'gpu-check: no nvcc was found (NVCC names one): the kernels of native/cuda are not in it\n',
    );
  if (bytes > sizeLimit)
    throw new Error(
      `${options.output} has ${megabytes} MB; more than ${sizeLimit / 1e6} is too much to hand around`,
    );
} catch (error) {
  process.stderr.write(`gpu-check: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
