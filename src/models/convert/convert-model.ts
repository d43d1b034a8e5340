/** `xinghe convert`: any container, spelling, dtype and number of files or ranks to any other, streamed and proven. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type ContainerFormat,
  container,
  totalBytes,
  verifyFiles,
  writeFiles,
} from '../../checkpoint/index.js';
import {
  dequantized,
  type FileTensor,
  readGgufFile,
  readRanges,
  readTensorChunks,
  type TensorView,
  tensorBytes,
  viewOf,
  writeFileAtomic,
  writeFileStaged,
  writeFolderAtomic,
  writeGgufFile,
} from '../../formats/index.js';
import { Progress } from '../../log/index.js';
import { loadModelArchitecture } from '../load-model.js';
import { type LogitsComparison, logitsComparison } from './compare-logits.js';
import { isFileTarget, refuseFullDisk, refuseSamePath } from './conversion-target.js';
import type { ConvertOptions } from './convert-options.js';
import { type ConversionPlan, planChain } from './plan-conversion.js';
import { writeAuxiliaryFiles } from './write-auxiliary-files.js';

/** What was written, read back and compared. */
export interface ConversionResult {
  /** The folder or file. */
  readonly to: string;
  /** The container. */
  readonly format: ContainerFormat;
  /** Of the model; undefined where nothing needed it. */
  readonly family: string | undefined;
  /** Of weights. */
  readonly files: number;
  /** Written. */
  readonly tensors: number;
  /** Of all of them. */
  readonly bytes: number;
  /** From the first read to the rename. */
  readonly seconds: number;
  /** Tensors of the source that were not written, and why. */
  readonly leftOut: ConversionPlan['leftOut'];
  /** How the two sides compare, with `checkLogits`. */
  readonly logits: LogitsComparison | undefined;
}

/**
 * Writes, reads back and compares everything in a temporary place, then renames it: `to` is whole or not there.
 * @throws InputError for what cannot be converted, found before anything is written; for a place without room
 */
export async function convertModel(options: ConvertOptions): Promise<ConversionResult> {
  const { to, replace = false } = options;
  const started = performance.now();
  refuseSamePath(options);
  const run = async (folder: string, fileName?: string) => ({
    ...(await writeConversion(options, folder, fileName)),
    to,
    seconds: (performance.now() - started) / 1000,
  });
  if (isFileTarget(options)) return writeFileStaged(to, (folder) => run(folder, basename(to)), { replace });
  return writeFolderAtomic(to, (folder) => run(folder), { replace });
}

async function writeConversion(
  options: ConvertOptions,
  folder: string,
  fileName: string | undefined,
): Promise<Omit<ConversionResult, 'to' | 'seconds'>> {
  const straightened = join(folder, '.straightened');
  const plan = planChain(options, straightened, (tensor) => makeContiguous(tensor, straightened, options.to));
  const { files, format, source, metadata, leftOut } = plan;
  const compare =
    options.checkLogits === true ? logitsComparison(options, source.architecture, plan.changes) : undefined;
  const bytes = totalBytes(files);
  refuseFullDisk(folder, options.to, bytes);
  const { readFile, writeFile } = container(format);
  const progress = new Progress({ label: 'convert', total: 2 * bytes, unit: 'byte' });
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    progress.update(done);
  };
  const checksums = writeFiles(
    folder,
    files,
    metadata === undefined ? writeFile : (path, tensors) => writeGgufFile(path, metadata, tensors),
    onBytes,
  );
  const readViews = (path: string) =>
    new Map([
      ...[...readFile(path)].map(([name, tensor]) => [name, viewOf(tensor)] as const),
      ...(metadata === undefined ? [] : packedViews(path)),
    ]);
  verifyFiles(folder, files, checksums, readViews, onBytes);
  progress.finish();
  rmSync(straightened, { recursive: true, force: true });
  if (fileName === undefined) writeAuxiliaryFiles(folder, plan, options);
  const target = fileName === undefined ? folder : join(folder, fileName);
  const logits = compare?.(target, plan.llama === undefined ? undefined : loadModelArchitecture(target));
  return {
    format,
    family: source.family?.name,
    files: files.length,
    tensors: files.reduce((sum, { tensors }) => sum + tensors.length, 0),
    bytes,
    leftOut,
    logits,
  };
}

/** Tensors whose bytes are compared as they lie, packed. */
function packedViews(path: string): [name: string, view: TensorView][] {
  return [...readGgufFile(path).quantized].map(([name, tensor]) => [
    name,
    { ...viewOf(dequantized(tensor)), stream: () => readRanges(tensor.ranges, PACKED_CHUNK_BYTES) },
  ]);
}

const PACKED_CHUNK_BYTES = 2 ** 20;

/** Rows one after the other in a file of their own. */
function makeContiguous(tensor: FileTensor, folder: string, to: string): FileTensor {
  mkdirSync(folder, { recursive: true });
  refuseFullDisk(folder, to, tensorBytes(tensor));
  // By number: ranks have tensors of one name.
  const path = join(folder, String(readdirSync(folder).length));
  writeFileAtomic(path, (write) => {
    for (const piece of readTensorChunks(tensor)) write(piece);
  });
  const { name, dtype, shape } = tensor;
  return { name, dtype, shape, ranges: [{ path, start: 0, end: tensorBytes(tensor) }] };
}
