/**
 * Rows as MindRecord, as Spark's programs write and read them: columns input_ids and, for fine-tuning, loss_mask, int64
 * [L] each. Which documents stand in a row lies in a file of origins beside it.
 */
import { InputError } from '../../errors/index.js';
import {
  type MindRecordColumn,
  type MindRecordFile,
  type MindRecordValue,
  MindRecordWriter,
  openMindRecord,
} from '../../formats/index.js';
import type { PackedRow } from './row.js';
import { ID_BITS, type RowsToWrite } from './rows-tensors.js';

export const MINDRECORD_SUFFIX = '.mindrecord';

const IDS: MindRecordColumn = { name: 'input_ids', type: 'int64', shape: [-1] };
const MASK: MindRecordColumn = { name: 'loss_mask', type: 'int64', shape: [-1] };
/** Others name the learned ids instead: each stands there again, and IGNORED where it is only read. */
const LABELS = 'labels';
const IGNORED = -100;
/** Rows that are looked at to find the place of labels; without an answer they are taken to stand at that of their id. */
const LABELS_LOOKED_AT = 1000;

/** Is every label the id that stands `shift` behind it? */
function labelsFit(ids: Int32Array, labels: Int32Array, shift: 0 | 1): boolean {
  return labels.every((label, position) => label === IGNORED || label === ids[position + shift]);
}

/** @returns learned ids */
export async function writeMindRecordRows(
  path: string,
  source: RowsToWrite,
  kind: 'pretrain' | 'sft',
): Promise<number> {
  const writer = new MindRecordWriter(path, kind === 'sft' ? [IDS, MASK] : [IDS]);
  let learned = 0;
  try {
    const words = new Int32Array(source.rowLength);
    for (let row = 0; row < source.rowCount; row++) {
      source.writeWords(row, words, 0);
      const lossMask = words.map((word) => word >>> 31);
      for (const bit of lossMask) learned += bit;
      const ids = words.map((word) => word & ID_BITS);
      writer.add({ input_ids: ids, ...(kind === 'sft' && { loss_mask: lossMask }) });
    }
    await writer.commit();
    return learned;
  } finally {
    writer.abort();
  }
}

/** Rows of a MindRecord data set with a column input_ids, ours or anyone's. */
export class MindRecordRows {
  readonly #path: string;
  readonly #file: MindRecordFile;
  /** Names of all columns. */
  readonly columns: readonly string[];
  readonly hasMask: boolean;
  readonly #hasLabels: boolean;
  #labelShift: 0 | 1 | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#file = openMindRecord(path);
    const names = this.#file.columns.map(({ name }) => name);
    if (!names.includes(IDS.name))
      throw new InputError(`${path} has no column input_ids; its columns are ${names.join(', ')}.`);
    this.columns = names;
    this.#hasLabels = !names.includes(MASK.name) && names.includes(LABELS);
    this.hasMask = this.#hasLabels || names.includes(MASK.name);
  }

  get rowCount(): number {
    return this.#file.rowCount;
  }

  /** Without a mask every id counts as learned, and as of one document. */
  row(index: number): PackedRow {
    const row = this.#file.row(index);
    const ids = this.#ints(row[IDS.name], IDS.name, index);
    if (this.#hasLabels)
      return { ids, lossMask: this.#maskOf(ids, row[LABELS], index), documentIds: undefined };
    const lossMask = this.hasMask ? this.#mask(row[MASK.name], index) : new Uint8Array(ids.length).fill(1);
    if (lossMask.length !== ids.length)
      throw new InputError(
        `${this.#path}, row ${index}: ${ids.length} input_ids but ${lossMask.length} values of loss_mask.`,
      );
    return { ids, lossMask, documentIds: undefined };
  }

  /** Labels stand at the place of their id, or one place before it, where they are predicted. */
  #maskOf(ids: Int32Array, value: MindRecordValue | undefined, index: number): Uint8Array {
    const labels = this.#ints(value, LABELS, index);
    const shift = this.#shiftOfLabels();
    if (labels.length !== ids.length || !labelsFit(ids, labels, shift))
      throw new InputError(
        `${this.#path}, row ${index}: labels must be the ids of input_ids at the same place or one place earlier, in all rows ` +
          `alike, and ${IGNORED} where an id is not learned; make the file with such labels, or with a column loss_mask.`,
      );
    const lossMask = new Uint8Array(ids.length);
    for (const [position, label] of labels.entries())
      if (label !== IGNORED && position + shift < ids.length) lossMask[position + shift] = 1;
    return lossMask;
  }

  /** The same for all rows: one whose ids repeat may fit both. The first row that fits one alone decides. */
  #shiftOfLabels(): 0 | 1 {
    for (
      let row = 0;
      this.#labelShift === undefined && row < Math.min(this.rowCount, LABELS_LOOKED_AT);
      row++
    ) {
      const { [IDS.name]: ids, [LABELS]: labels } = this.#file.row(row);
      const [own, named] = [this.#ints(ids, IDS.name, row), this.#ints(labels, LABELS, row)];
      const [same, earlier] = [labelsFit(own, named, 0), labelsFit(own, named, 1)];
      if (same !== earlier) this.#labelShift = same ? 0 : 1;
    }
    this.#labelShift ??= 0;
    return this.#labelShift;
  }

  /** 0 or 1, in integers or, as some programs write it, in floats. A weight between them is not learned here. */
  #mask(value: MindRecordValue | undefined, row: number): Uint8Array {
    const isFloat = value instanceof Float32Array || value instanceof Float64Array;
    const mask = isFloat ? value : this.#ints(value, MASK.name, row);
    const strange = mask.find((weight) => weight !== 0 && weight !== 1);
    if (strange === undefined) return Uint8Array.from(mask);
    throw new InputError(
      `${this.#path}, row ${row}: loss_mask holds ${strange}; only 0 (read) and 1 (learned) are known.`,
    );
  }

  #ints(value: MindRecordValue | undefined, column: string, row: number): Int32Array {
    if (value instanceof Int32Array) return value;
    if (value instanceof BigInt64Array) return Int32Array.from(value, Number);
    throw new InputError(`${this.#path}, row ${row}: column ${column} must be a list of integers.`);
  }
}
