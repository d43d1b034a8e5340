/** One shard of a MindRecord data set: finds the bytes of each row. */
import { InputError } from '../../errors/index.js';
import { FileCursor } from '../files/file-cursor.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import { type MindRecordHeader, type MindRecordPage, readMindRecordHeader } from './mindrecord-header.js';

/** Where one row lies: bytes of the shard's file, without the lengths before them. */
export interface MindRecordRowLocation {
  readonly group: number;
  readonly blobPage: number;
  readonly rawPage: number;
  /** Offsets in the page of the row with its length before it, and its end. */
  readonly blob: PageRange;
  readonly raw: PageRange;
}

export interface PageRange {
  readonly start: number;
  readonly end: number;
}

/** The u64 length before each row's blob and before each row's single values. */
export const ROW_LENGTH_BYTES = 8;
const DAMAGED = 'The file is truncated or damaged; copy or prepare it again.';

/**
 * One file of a MindRecord data set. The places of its rows are found by walking over the lengths in its pages, a page when
 * the first of its rows is asked for; the .db file beside it (the same places, as SQLite) is not needed.
 * Holds eight bytes for each row of the pages visited.
 */
export class MindRecordShard {
  readonly path: string;
  readonly header: MindRecordHeader;
  readonly rowCount: number;
  readonly #groups: readonly RowGroup[];
  readonly #offsets = new Map<number, GroupOffsets>();

  /** @throws InputError if the header is damaged or its pages do not tell where all rows are */
  constructor(file: InputFile) {
    this.path = file.path;
    this.header = readMindRecordHeader(file);
    this.#groups = findGroups(file.path, this.header.pages);
    this.rowCount = this.#groups.at(-1)?.endRow ?? 0;
  }

  static open(path: string): MindRecordShard {
    return withInputFile(path, (file) => new MindRecordShard(file));
  }

  /** Where row `index` (from 0, below rowCount) lies. Throws InputError for a page whose lengths lie. */
  location(file: InputFile, index: number): MindRecordRowLocation {
    const groupIndex = this.#findGroup(index);
    const group = this.#groups[groupIndex];
    if (group === undefined) throw new RangeError(`Row ${index} of ${this.rowCount}.`);
    const offsets = this.#offsets.get(groupIndex) ?? this.#walk(file, groupIndex, group);
    const row = index - group.startRow;
    return {
      group: group.id,
      blobPage: group.blobPage.id,
      rawPage: group.rawPage.id,
      blob: { start: offsets.blob[row] ?? 0, end: offsets.blob[row + 1] ?? 0 },
      raw: { start: offsets.raw[row] ?? 0, end: offsets.raw[row + 1] ?? 0 },
    };
  }

  /** A row's bytes, without the length before them. */
  read(file: InputFile, page: number, { start, end }: PageRange): Buffer {
    const { headerBytes, pageBytes } = this.header;
    const length = end - start - ROW_LENGTH_BYTES;
    const bytes = file.read(headerBytes + page * pageBytes + start + ROW_LENGTH_BYTES, length);
    if (bytes.length === length) return bytes;
    throw new InputError(`${this.path} ends within page ${page}; the file was changed or cut meanwhile.`);
  }

  #findGroup(row: number): number {
    let low = 0;
    let high = this.#groups.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#groups[middle]?.endRow ?? 0) <= row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #walk(file: InputFile, index: number, group: RowGroup): GroupOffsets {
    const { blobPage, rawPage, rawOffset, startRow, endRow } = group;
    const count = endRow - startRow;
    const blob = this.#walkPage(file, blobPage, 0, count);
    if (blob[count] !== blobPage.usedBytes)
      throw new InputError(
        `${this.path}: page ${blobPage.id} uses ${blobPage.usedBytes} bytes, but its ${count} rows take ${blob[count]}. ${DAMAGED}`,
      );
    const offsets = { blob, raw: this.#walkPage(file, rawPage, rawOffset, count) };
    this.#offsets.set(index, offsets);
    return offsets;
  }

  /** The offsets in the page of `count` rows one after the other, and the end of the last. */
  #walkPage(file: InputFile, page: MindRecordPage, offset: number, count: number): Uint32Array {
    const start = this.header.headerBytes + page.id * this.header.pageBytes;
    const cursor = new FileCursor(
      file,
      { start: start + offset, end: start + page.usedBytes },
      (problem, at) => {
        throw new InputError(`${this.path}: page ${page.id}, byte ${at} of the file: ${problem}. ${DAMAGED}`);
      },
    );
    if (count * ROW_LENGTH_BYTES > cursor.remaining)
      cursor.fail(`${count} rows are claimed, where only ${cursor.remaining} bytes are left`);
    const offsets = new Uint32Array(count + 1);
    for (let row = 0; row < count; row++) {
      offsets[row] = cursor.position - start;
      cursor.skip(cursor.uint64('the length of a row'), 'a row');
    }
    offsets[count] = cursor.position - start;
    return offsets;
  }
}

/** The rows of one blob page, and where their single values begin. */
interface RowGroup {
  readonly id: number;
  readonly blobPage: MindRecordPage;
  readonly rawPage: MindRecordPage;
  readonly rawOffset: number;
  readonly startRow: number;
  readonly endRow: number;
}

interface GroupOffsets {
  readonly blob: Uint32Array;
  readonly raw: Uint32Array;
}

function findGroups(path: string, pages: readonly MindRecordPage[]): RowGroup[] {
  const rawPlaces = new Map<number, { readonly page: MindRecordPage; readonly offset: number }>();
  for (const page of pages)
    if (page.kind === 'raw') for (const { id, offset } of page.groups) rawPlaces.set(id, { page, offset });
  const blobPages = pages.filter(({ kind }) => kind === 'blob').toSorted((a, b) => a.group - b.group);
  let row = 0;
  return blobPages.map((page) => {
    const { group: id, startRow, endRow } = page;
    const fail = (problem: string): InputError =>
      new InputError(`${path}: page ${page.id} ${problem}. ${DAMAGED}`);
    if (startRow !== row || endRow < startRow)
      throw fail(`holds the rows ${startRow} to ${endRow}, where row ${row} comes next`);
    if (endRow - startRow > page.usedBytes / ROW_LENGTH_BYTES)
      throw fail(`claims ${endRow - startRow} rows in ${page.usedBytes} bytes`);
    const raw = rawPlaces.get(id);
    if (raw === undefined) throw fail(`is row group ${id}, whose single values stand on no page`);
    row = endRow;
    return { id, blobPage: page, rawPage: raw.page, rawOffset: raw.offset, startRow, endRow };
  });
}
