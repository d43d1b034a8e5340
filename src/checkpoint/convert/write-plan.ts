/** Writes the planned files, one tensor after the other, and verifies them by reading them back. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { InputError } from '../../errors/index.js';
import type { TensorInput, TensorView } from '../../formats/index.js';
import { streamView } from '../../formats/index.js';
import { castView, mergeView, scaleView } from './cast-view.js';
import type { PlannedFile, PlannedTensor } from './plan.js';

/** Writes one file of tensors; the container's writer. */
export type WriteTensors = (path: string, tensors: readonly TensorInput[]) => void;

/** Opens what WriteTensors wrote. */
export type ReadTensors = (path: string) => ReadonlyMap<string, TensorView>;

/** CRC-32 of each tensor's bytes as written, by file and name. */
export type Checksums = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** @param onBytes told how many bytes of tensors were written since the last call */
export function writePlan(
  folder: string,
  files: readonly PlannedFile[],
  write: WriteTensors,
  onBytes: (bytes: number) => void,
): Checksums {
  const checksums = new Map<string, Map<string, number>>();
  for (const file of files) {
    const sums = new Map<string, number>();
    const path = join(folder, file.path);
    mkdirSync(dirname(path), { recursive: true });
    write(
      path,
      file.tensors.map((tensor) => ({
        name: tensor.name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        bytes: () => hashed(tensor, sums, onBytes),
      })),
    );
    checksums.set(file.path, sums);
  }
  return checksums;
}

function* hashed(
  tensor: PlannedTensor,
  sums: Map<string, number>,
  onBytes: (bytes: number) => void,
): Generator<Uint8Array, void> {
  let sum = 0;
  for (const piece of contentOf(tensor)) {
    sum = crc32(piece, sum);
    yield piece;
    onBytes(piece.byteLength);
  }
  sums.set(tensor.name, sum);
}

function contentOf({ name, view, dtype, update, factor }: PlannedTensor): Iterable<Uint8Array> {
  if (factor === undefined)
    return update === undefined ? castView(view, dtype) : mergeView(view, update, dtype);
  if (update === undefined) return scaleView(view, factor, dtype);
  throw new InputError(
    `${name} is stored multiplied by a factor, so no adapter can be merged into it; convert it to published names first.`,
  );
}

/**
 * Opens every file again: names, dtypes, shapes and the bytes of every tensor must be those written. Throws Error naming the
 * first that differs: the disk or a writer is at fault.
 */
export function verifyPlan(
  folder: string,
  files: readonly PlannedFile[],
  checksums: Checksums,
  read: ReadTensors,
  onBytes: (bytes: number) => void,
): void {
  for (const file of files) {
    const found = read(join(folder, file.path));
    const expected = checksums.get(file.path);
    const fail = (problem: string): never => {
      throw new Error(`${file.path} was written, but reads back differently: ${problem}`);
    };
    if (found.size !== file.tensors.length) fail(`${found.size} tensors instead of ${file.tensors.length}`);
    for (const { name, dtype, shape } of file.tensors) {
      const view = found.get(name) ?? fail(`no tensor ${name}`);
      if (view.dtype !== dtype || view.shape.join() !== shape.join())
        fail(`${name} is ${view.dtype} [${view.shape}] instead of ${dtype} [${shape}]`);
      let sum = 0;
      for (const piece of streamView(view)) {
        sum = crc32(piece, sum);
        onBytes(piece.byteLength);
      }
      if (sum !== expected?.get(name)) fail(`other bytes in ${name}`);
    }
  }
}
