/** Rows of one safetensors file, read where they lie. */
import { closeSync, read as readAt } from 'node:fs';
import { InputError } from '../../errors/index.js';
import {
  dtypeBytes,
  openInputFile,
  readFully,
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsFile,
} from '../../formats/index.js';
import { documentLengths, type PackedRow } from './row.js';
import type { RowDocument } from './rows-tensors.js';

/** An open file and its tensors, read by ranges of elements. */
class TensorFile {
  readonly #file: SafetensorsFile;
  readonly #descriptor: number;

  constructor(path: string) {
    this.#file = readSafetensorsHeader(path);
    this.#descriptor = openInputFile(path);
  }

  /** @throws InputError if it is not there, or of another dtype or shape */
  entry(name: string, dtype: SafetensorsEntry['dtype'], shape: readonly number[]): SafetensorsEntry {
    const entry = this.#file.tensors.get(name);
    if (entry?.dtype === dtype && entry.shape.join() === shape.join()) return entry;
    const found = entry === undefined ? 'it is not there' : `it is ${entry.dtype} [${entry.shape}]`;
    throw new InputError(
      `${this.#file.path}: ${name} must be ${dtype} [${shape}], ${found}. The file does not belong to the index; ` +
        'prepare the data again.',
    );
  }

  count(name: string): number {
    return this.#file.tensors.get(name)?.shape[0] ?? 0;
  }

  /** Bytes of `count` elements from `first` on. */
  read({ dtype, byteStart }: SafetensorsEntry, first: number, count: number): Uint8Array {
    const width = dtypeBytes(dtype);
    const bytes = readFully(this.#descriptor, byteStart + first * width, count * width);
    if (bytes.length < count * width) throw this.#becameShorter();
    return bytes;
  }

  readInts(entry: SafetensorsEntry, first: number, count: number): Int32Array {
    // Buffers of Node's pool need not be aligned.
    return new Int32Array(new Uint8Array(this.read(entry, first, count)).buffer);
  }

  /** The same on a thread of Node's, while this one goes on. */
  readBehind({ dtype, byteStart }: SafetensorsEntry, first: number, count: number): Promise<Uint8Array> {
    const width = dtypeBytes(dtype);
    const bytes = new Uint8Array(count * width);
    const byte = byteStart + first * width;
    return new Promise((resolve, reject) => {
      const readFrom = (done: number): void => {
        if (done === bytes.length) {
          resolve(bytes);
          return;
        }
        readAt(this.#descriptor, bytes, done, bytes.length - done, byte + done, (error, count) => {
          if (error !== null) reject(error);
          else if (count === 0) reject(this.#becameShorter());
          else readFrom(done + count);
        });
      };
      readFrom(0);
    });
  }

  async readIntsBehind(entry: SafetensorsEntry, first: number, count: number): Promise<Int32Array> {
    return new Int32Array((await this.readBehind(entry, first, count)).buffer);
  }

  #becameShorter(): InputError {
    return new InputError(`${this.#file.path} became shorter while it was open.`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

export class RowsFile {
  readonly #file: TensorFile;
  readonly #rowLength: number;
  readonly #ids: SafetensorsEntry;
  readonly #mask: SafetensorsEntry;

  constructor(path: string, rows: number, rowLength: number) {
    this.#file = new TensorFile(path);
    this.#rowLength = rowLength;
    const shape = [rows, rowLength];
    this.#ids = this.#file.entry('input_ids', 'int32', shape);
    this.#mask = this.#file.entry('loss_mask', 'uint8', shape);
  }

  /** Without document ids: origins tell them. */
  row(row: number): PackedRow {
    const first = row * this.#rowLength;
    return {
      ids: this.#file.readInts(this.#ids, first, this.#rowLength),
      lossMask: new Uint8Array(this.#file.read(this.#mask, first, this.#rowLength)),
      documentIds: undefined,
    };
  }

  async read(row: number): Promise<{ readonly ids: Int32Array; readonly lossMask: Uint8Array }> {
    const first = row * this.#rowLength;
    const [ids, lossMask] = await Promise.all([
      this.#file.readIntsBehind(this.#ids, first, this.#rowLength),
      this.#file.readBehind(this.#mask, first, this.#rowLength),
    ]);
    return { ids, lossMask };
  }

  close(): void {
    this.#file.close();
  }
}

/** The origins of the rows of one file. */
export class OriginsFile {
  readonly #path: string;
  readonly #file: TensorFile;
  readonly #rows: SafetensorsEntry;
  readonly #columns: Readonly<Record<keyof RowDocument, SafetensorsEntry>>;
  readonly #count: number;

  constructor(path: string, rows: number) {
    this.#path = path;
    this.#file = new TensorFile(path);
    this.#rows = this.#file.entry('origin_rows', 'int32', [rows + 1]);
    const shape = [this.#file.count('origin_files')];
    this.#count = shape[0] ?? 0;
    this.#columns = {
      file: this.#file.entry('origin_files', 'int32', shape),
      line: this.#file.entry('origin_lines', 'uint32', shape),
      position: this.#file.entry('origin_positions', 'int32', shape),
      tokens: this.#file.entry('origin_tokens', 'int32', shape),
      offset: this.#file.entry('origin_offsets', 'int32', shape),
    };
  }

  documents(row: number): RowDocument[] {
    const [first, end] = this.#checkedRange(row, this.#file.readInts(this.#rows, row, 2));
    const read = (column: keyof RowDocument): Int32Array =>
      this.#file.readInts(this.#columns[column], first, end - first);
    const [files, lines, positions, tokens, offsets] = [
      read('file'),
      read('line'),
      read('position'),
      read('tokens'),
      read('offset'),
    ];
    return Array.from(files, (file, index) => ({
      file,
      line: lines[index]! >>> 0,
      position: positions[index]!,
      tokens: tokens[index]!,
      offset: offsets[index]!,
    }));
  }

  /** How many ids each document of a row has; each span of padding counts as one. */
  async documentLengths(row: number, rowLength: number): Promise<number[]> {
    const bounds = await this.#file.readIntsBehind(this.#rows, row, 2);
    const [first, end] = this.#checkedRange(row, bounds);
    const [positions, tokens] = await Promise.all(
      [this.#columns.position, this.#columns.tokens].map((column) =>
        this.#file.readIntsBehind(column, first, end - first),
      ),
    );
    const documents = Array.from(positions ?? [], (position, index) => ({
      position,
      tokens: tokens?.[index] ?? 0,
    }));
    const lengths = documentLengths(documents, rowLength);
    if (lengths !== undefined) return lengths;
    throw new InputError(
      `${this.#path}: the documents of row ${row} do not lie one after the other in its ${rowLength} ids; prepare the ` +
        'data again.',
    );
  }

  #checkedRange(row: number, [first = 0, end = 0]: Int32Array): [first: number, end: number] {
    if (first < 0 || end < first || end > this.#count)
      throw new InputError(`${this.#path}: origin_rows[${row}] is damaged; prepare the data again.`);
    return [first, end];
  }

  close(): void {
    this.#file.close();
  }
}
