/** A file that grows record by record while a run lasts, and outlives a full disk. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { log } from '../../log/index.js';

/**
 * Holds whole records only. One that cannot be written is left out, what was written of it is taken back, and the
 * first of a row of failures is told; the run goes on.
 */
export class AppendFile {
  readonly #path: string;
  readonly #descriptor: number;
  #size: number;
  #lost = 0;

  /** Continues the file where there is one. @throws InputError if it cannot be opened */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#size = fileStatus(path)?.size ?? 0;
      this.#descriptor = openSync(path, 'a');
    } catch (error) {
      throw new InputError(`${path} cannot be written: ${messageOf(error)}.`);
    }
  }

  append(record: Uint8Array | string): void {
    const bytes = typeof record === 'string' ? Buffer.from(record) : record;
    try {
      for (let written = 0; written < bytes.length; )
        written += writeSync(this.#descriptor, bytes, written, bytes.length - written);
      this.#size += bytes.length;
      if (this.#lost > 0) log(`${this.#path}: written again; ${this.#lost} records are missing`);
      this.#lost = 0;
    } catch (error) {
      this.#takeBack();
      if (this.#lost === 0) log(`${this.#path}: ${messageOf(error)}; the run goes on without these records`);
      this.#lost += 1;
    }
  }

  close(): void {
    if (this.#lost > 0) log(`${this.#path}: the last ${this.#lost} records are missing`);
    try {
      closeSync(this.#descriptor);
    } catch (error) {
      log(`${this.#path}: ${messageOf(error)}`);
    }
  }

  #takeBack(): void {
    try {
      ftruncateSync(this.#descriptor, this.#size);
    } catch {
      // The warning about the record tells what is wrong with the disk.
    }
  }
}
