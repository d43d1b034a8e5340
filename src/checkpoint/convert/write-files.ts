/** The link `write`: the planned files, one tensor after the other, their bytes summed up on the way. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { InputError } from '../../errors/index.js';
import { packBlocks, type TensorInput, type WrittenQuantization } from '../../formats/index.js';
import type { PlannedFile, PlannedTensor } from './chain-tensor.js';
import { addView, castView, mergeView, replaceRowsView, scaleView } from './tensor-content.js';

/** What is written; packed tensors are planned for a GGUF alone. */
export type PlannedInput = TensorInput & { readonly quantization?: WrittenQuantization };

/** Writes one file of tensors; the container's writer. */
export type WriteTensors = (path: string, tensors: readonly PlannedInput[]) => void;

/** CRC-32 of each tensor's bytes as written, by file and name. */
export type Checksums = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** @param onBytes told how many bytes of tensors were written since the last call */
export function writeFiles(
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
        ...(tensor.quantization !== undefined && { quantization: tensor.quantization }),
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
  const content = contentOf(tensor);
  for (const piece of tensor.quantization === undefined
    ? content
    : packBlocks(content, tensor.quantization)) {
    sum = crc32(piece, sum);
    yield piece;
    onBytes(piece.byteLength);
  }
  sums.set(tensor.name, sum);
}

function contentOf({ name, view, dtype, update, addend, rows, factor }: PlannedTensor): Iterable<Uint8Array> {
  const changes = [update, addend, rows, factor].filter((change) => change !== undefined);
  if (changes.length > 1)
    throw new InputError(
      factor === undefined
        ? `${name} would get a low-rank update and rows of its own at once, which cannot be merged.`
        : `${name} is stored multiplied by a factor, so no adapter can be merged into it; convert it to published names first.`,
    );
  if (factor !== undefined) return scaleView(view, factor, dtype);
  if (update !== undefined) return mergeView(view, update, dtype);
  if (addend !== undefined) return addView(view, addend, dtype);
  return rows === undefined ? castView(view, dtype) : replaceRowsView(view, rows, dtype);
}
