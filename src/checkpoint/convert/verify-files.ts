/** The link `prove`: what was written is read back and compared. */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { streamView, type TensorView } from '../../formats/index.js';
import type { PlannedFile } from './chain-tensor.js';
import type { Checksums } from './write-files.js';

/** Opens what was written. */
export type ReadTensors = (path: string) => ReadonlyMap<string, TensorView>;

/**
 * Opens every file again: names, dtypes, shapes and the bytes of every tensor must be those written. Throws Error naming the
 * first that differs: the disk or a writer is at fault.
 */
export function verifyFiles(
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
