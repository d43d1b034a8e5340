/** A checkpoint as plain bytes, so that another thread can write it. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ElementRange } from '../../checkpoint/index.js';
import {
  sha256OfFile,
  type TensorDescription,
  tensorBytes,
  writeFileAtomic,
  writeFolderAtomic,
  writeSafetensors,
} from '../../formats/index.js';
import { manifestSchema } from './manifest.js';

export interface SnapshotTensor extends TensorDescription {
  /** Bytes that nobody changes any more, or how to get them while nobody does. */
  readonly bytes: Uint8Array | (() => Uint8Array);
  /** Where in the tensor the elements of the bytes are, in their order, where a rank has a part only. Default: all of it. */
  readonly ranges?: readonly ElementRange[] | undefined;
}

export interface SnapshotFile {
  /** Inside the folder. */
  readonly path: string;
  readonly content:
    | { readonly kind: 'tensors'; readonly tensors: readonly SnapshotTensor[] }
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array };
}

export interface Snapshot {
  readonly files: readonly SnapshotFile[];
  /** Becomes MANIFEST_FILE, with the SHA-256 of every file added as `files`. */
  readonly manifest: Readonly<Record<string, unknown>>;
}

/** Written last: a folder without it is no checkpoint. */
export const MANIFEST_FILE = 'training-state.json';

/** Writes the whole folder or nothing. */
export async function writeSnapshot(folder: string, { files, manifest }: Snapshot): Promise<void> {
  await writeFolderAtomic(
    folder,
    (temporary) => {
      for (const { path, content } of files) {
        const target = join(temporary, path);
        mkdirSync(dirname(target), { recursive: true });
        if (content.kind === 'bytes') writeFileAtomic(target, content.bytes);
        else
          writeSafetensors(
            target,
            content.tensors.map(({ bytes, ranges: _ranges, ...tensor }) => ({
              ...tensor,
              bytes: () => (typeof bytes === 'function' ? bytes() : bytes),
            })),
            { format: 'pt' },
          );
      }
      finishSnapshot(
        temporary,
        manifest,
        files.map(({ path }) => path),
      );
    },
    { replace: true },
  );
}

/** Adds the manifest to a folder whose files are written. */
export function finishSnapshot(
  folder: string,
  manifest: Snapshot['manifest'],
  files: readonly string[],
): void {
  const hashes = Object.fromEntries(files.map((path) => [path, sha256OfFile(join(folder, path))]));
  const text = `${JSON.stringify({ ...manifest, files: hashes }, null, 2)}\n`;
  // What the reader would refuse must not be written: the run would have no checkpoint without knowing it.
  manifestSchema.parse(JSON.parse(text));
  writeFileAtomic(join(folder, MANIFEST_FILE), text);
}

/** With every tensor copied: training may go on while it is written. */
export function copySnapshot(snapshot: Snapshot): Snapshot {
  const files = snapshot.files.map(({ path, content }): SnapshotFile => {
    if (content.kind === 'bytes') return { path, content };
    const tensors = content.tensors.map((tensor) => ({
      ...tensor,
      bytes: typeof tensor.bytes === 'function' ? tensor.bytes() : tensor.bytes,
    }));
    return { path, content: { kind: 'tensors', tensors } };
  });
  return { ...snapshot, files };
}

export function snapshotBytes({ files }: Snapshot): number {
  return files.reduce((sum, { content }) => {
    if (content.kind === 'bytes') return sum + content.bytes.byteLength;
    return sum + content.tensors.reduce((total, tensor) => total + tensorBytes(tensor), 0);
  }, 0);
}
