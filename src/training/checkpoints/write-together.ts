/** A checkpoint that all ranks of a run write at once: rank 0 lays the files out, each rank writes the bytes that it has. */
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  dtypeBytes,
  safetensorsLayout,
  type TensorDescription,
  writeFolderAtomic,
} from '../../formats/index.js';
import type { RunRanks } from '../parallel/run-ranks.js';
import { finishSnapshot, type Snapshot, type SnapshotFile, type SnapshotTensor } from './snapshot.js';

const METADATA = { format: 'pt' };

/**
 * Every rank calls it with the same files; of each tensor it gives its own elements, and the ranks together give all.
 * @throws on every rank if one of them fails; what stood in the folder before stays then
 */
export async function writeSnapshotTogether(
  folder: string,
  snapshot: Snapshot,
  ranks: RunRanks,
  checkRoom: (bytes: number) => void,
): Promise<void> {
  const files = snapshot.files.map((file) => ({ file, all: layoutOf(file, ranks) }));
  const writeOwn = (place: string): void => {
    ranks.together(() => {
      for (const { file, all } of files) writePieces(join(place, file.path), file, all);
    });
  };
  if (!ranks.isFirst) {
    writeOwn(await ranks.tellFirst());
    await ranks.first(() => undefined);
    return;
  }
  let isTold = false;
  try {
    await writeFolderAtomic(
      folder,
      async (temporary) => {
        await ranks.tellFirst(() => {
          checkRoom(files.reduce((sum, { all }) => sum + all.size, 0));
          for (const { file, all } of files) makeFile(join(temporary, file.path), file, all);
          return temporary;
        });
        writeOwn(temporary);
        isTold = true;
        finishSnapshot(
          temporary,
          snapshot.manifest,
          files.map(({ file }) => file.path),
        );
      },
      { replace: true },
    );
  } catch (error) {
    if (!isTold) throw error;
    await ranks.first(() => {
      throw error;
    });
  }
  await ranks.first(() => undefined);
}

interface FileLayout {
  readonly tensors: readonly TensorDescription[];
  readonly offsets: ReadonlyMap<string, number>;
  readonly header: Uint8Array;
  readonly size: number;
}

const descriptions = z.array(z.object({ name: z.string(), dtype: z.string(), shape: z.array(z.number()) }));

/** A rank knows nothing of a tensor of which it has no element: the list is that of all ranks. */
function layoutOf({ content }: SnapshotFile, ranks: RunRanks): FileLayout {
  if (content.kind === 'bytes')
    return { tensors: [], offsets: new Map(), header: content.bytes, size: content.bytes.length };
  const own = new Map(content.tensors.map((tensor) => [tensor.name, tensor]));
  const known = new Map<string, TensorDescription>();
  const mine = content.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  for (const text of ranks.world.group.gatherTexts(JSON.stringify(mine)))
    for (const { name, dtype, shape } of descriptions.parse(JSON.parse(text)))
      known.set(name, own.get(name) ?? { name, dtype: fileDtype(dtype), shape });
  // In one order on every rank, whatever each of them knew.
  const tensors = [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { tensors, ...safetensorsLayout(tensors, METADATA) };
}

function fileDtype(name: string): TensorDescription['dtype'] {
  if (name === 'float64' || name === 'float32' || name === 'bfloat16' || name === 'float16') return name;
  throw new TypeError(`a checkpoint has no tensors of ${name}`);
}

function makeFile(path: string, { content }: SnapshotFile, { header, size }: FileLayout): void {
  mkdirSync(dirname(path), { recursive: true });
  withFile(path, 'w', (file) => {
    writeSync(file, header);
    if (content.kind === 'tensors') ftruncateSync(file, size);
  });
}

function writePieces(path: string, { content }: SnapshotFile, { offsets }: FileLayout): void {
  if (content.kind === 'bytes') return;
  withFile(path, 'r+', (file) => {
    for (const tensor of content.tensors) writePiece(file, tensor, offsets.get(tensor.name) ?? 0);
  });
}

function writePiece(file: number, { dtype, ranges, bytes }: SnapshotTensor, offset: number): void {
  const own = typeof bytes === 'function' ? bytes() : bytes;
  const width = dtypeBytes(dtype);
  let done = 0;
  for (const { start, length } of ranges ?? [{ start: 0, length: own.length / width }]) {
    const end = Math.min(own.length, done + length * width);
    for (let position = offset + start * width; done < end; ) {
      const written = writeSync(file, own, done, end - done, position);
      done += written;
      position += written;
    }
  }
}

function withFile(path: string, flags: string, body: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    body(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
