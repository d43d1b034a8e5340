/** Several files that appear together or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../errors/index.js';
import { syncFolder, temporaryPathFor, writeError } from './atomic-write.js';
import { fileStatus } from './input-file.js';

/** A file of a set, open for writing at any place. */
export interface PendingFile {
  /** Where it will lie. */
  readonly path: string;
  /** Where it lies until then. */
  readonly temporary: string;
  write(bytes: Uint8Array, offset: number): void;
}

/**
 * Several files that belong together, written at any places over any time: temporary files beside their targets, renamed over
 * them by commit, removed by abort. Files that stood there before stay as they were until commit.
 */
export class AtomicFileSet {
  readonly #files: { readonly file: PendingFile; readonly existed: boolean }[] = [];
  /** Of temporary files, by path; closed when they become many. */
  readonly #descriptors = new Map<string, number>();

  /** @throws InputError if the path cannot be written */
  create(path: string): PendingFile {
    const status = fileStatus(path);
    if (status !== undefined && !status.isFile())
      throw new InputError(
        `${path} is ${status.isDirectory() ? 'a folder' : 'no regular file'}; name a file to write.`,
      );
    const existed = status !== undefined;
    const temporary = temporaryPathFor(path);
    try {
      closeSync(openSync(temporary, 'wx'));
    } catch (error) {
      throw writeError(path, error, existed);
    }
    const file: PendingFile = {
      path,
      temporary,
      write: (bytes, offset) => {
        try {
          const descriptor = this.#open(temporary);
          for (let written = 0; written < bytes.byteLength; )
            written += writeSync(descriptor, bytes, written, bytes.byteLength - written, offset + written);
        } catch (error) {
          throw writeError(path, error, existed);
        }
      },
    };
    this.#files.push({ file, existed });
    return file;
  }

  /** Syncs and renames all files. If a rename fails, the files renamed before stay and all others are removed. */
  commit(): void {
    for (const { file, existed } of this.#files) {
      try {
        fsyncSync(this.#open(file.temporary));
        renameSync(file.temporary, file.path);
      } catch (error) {
        this.abort();
        throw writeError(file.path, error, existed);
      }
    }
    for (const folder of new Set(this.#files.map(({ file }) => dirname(file.path)))) syncFolder(folder);
    this.abort();
  }

  /** Closes all files and removes what was not renamed. May be called again. */
  abort(): void {
    this.#closeAll();
    for (const { file } of this.#files.splice(0)) rmSync(file.temporary, { force: true });
  }

  #open(temporary: string): number {
    let descriptor = this.#descriptors.get(temporary);
    if (descriptor === undefined) {
      if (this.#descriptors.size >= MAX_OPEN_FILES) this.#closeAll();
      descriptor = openSync(temporary, 'r+');
      this.#descriptors.set(temporary, descriptor);
    }
    return descriptor;
  }

  #closeAll(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}

const MAX_OPEN_FILES = 64;
