/** Lays rows out in the pages of a MindRecord shard while they are written. */
import { InputError } from '../../errors/index.js';
import type { PendingFile } from '../files/atomic-file-set.js';
import type { MindRecordPage } from './mindrecord-header.js';
import type { EncodedRow } from './mindrecord-row.js';
import { ROW_LENGTH_BYTES } from './mindrecord-shard.js';

/**
 * The pages of one shard while rows are added: a blob page for each group of rows, and raw pages that take the single values
 * of one group after the other; no row is split, and no group's single values. Holds the single values of the
 * open group and up to `bufferBytes` of blobs.
 */
export class MindRecordPages {
  readonly #file: PendingFile;
  readonly #headerBytes: number;
  readonly #pageBytes: number;
  readonly #bufferBytes: number;
  readonly #pages: Page[] = [];
  /** The page that took the last group's single values. */
  #rawPage: Page | undefined;
  #group: OpenGroup | undefined;
  #groupCount = 0;
  #rowCount = 0;

  constructor(file: PendingFile, headerBytes: number, pageBytes: number, bufferBytes: number) {
    this.#bufferBytes = bufferBytes;
    this.#file = file;
    this.#headerBytes = headerBytes;
    this.#pageBytes = pageBytes;
  }

  /** @throws InputError if the row is larger than a page or the file cannot be written */
  add({ blob, raw }: EncodedRow): void {
    const blobBytes = ROW_LENGTH_BYTES + blob.length;
    const rawBytes = ROW_LENGTH_BYTES + raw.length;
    if (Math.max(blobBytes, rawBytes) > this.#pageBytes)
      throw new InputError(
        `${this.#file.path}: row ${this.#rowCount} has ${Math.max(blobBytes, rawBytes)} bytes, more than a page of ` +
          `${this.#pageBytes}. Choose larger pages.`,
      );
    const { page, rawBytes: pending } = this.#group ?? { page: { usedBytes: 0 }, rawBytes: 0 };
    if (page.usedBytes + blobBytes > this.#pageBytes || pending + rawBytes > this.#pageBytes)
      this.#closeGroup();
    const group = this.#group ?? this.#openGroup();
    group.blobs.push(lengthOf(blob), blob);
    group.blobBytes += blobBytes;
    group.page.usedBytes += blobBytes;
    group.raws.push(lengthOf(raw), raw);
    group.rawBytes += rawBytes;
    this.#rowCount++;
    group.page.endRow = this.#rowCount;
    if (group.blobBytes >= this.#bufferBytes) this.#flush(group);
  }

  /** Writes what is still held and gives all pages. */
  finish(): readonly MindRecordPage[] {
    this.#closeGroup();
    return this.#pages;
  }

  #openGroup(): OpenGroup {
    const page = this.#addPage('blob', this.#groupCount);
    page.groups.push({ id: 0, offset: 0 });
    this.#groupCount++;
    this.#group = { page, blobs: [], blobBytes: 0, raws: [], rawBytes: 0 };
    return this.#group;
  }

  #closeGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#flush(group);
    const { page, raws, rawBytes } = group;
    if (this.#rawPage === undefined || this.#rawPage.usedBytes + rawBytes > this.#pageBytes)
      this.#rawPage = this.#addPage('raw', 0);
    const rawPage = this.#rawPage;
    this.#file.write(Buffer.concat(raws), this.#offsetOf(rawPage));
    rawPage.groups.push({ id: page.group, offset: rawPage.usedBytes });
    rawPage.usedBytes += rawBytes;
    this.#group = undefined;
  }

  #flush(group: OpenGroup): void {
    const bytes = Buffer.concat(group.blobs);
    this.#file.write(bytes, this.#offsetOf(group.page) - bytes.length);
    group.blobs = [];
    group.blobBytes = 0;
  }

  /** Where the used part of a page ends. */
  #offsetOf({ id, usedBytes }: Page): number {
    return this.#headerBytes + id * this.#pageBytes + usedBytes;
  }

  #addPage(kind: 'blob' | 'raw', group: number): Page {
    const row = kind === 'blob' ? this.#rowCount : 0;
    const page: Page = {
      id: this.#pages.length,
      kind,
      usedBytes: 0,
      group,
      startRow: row,
      endRow: row,
      groups: [],
    };
    this.#pages.push(page);
    return page;
  }
}

type Page = { -readonly [Key in keyof Omit<MindRecordPage, 'groups'>]: MindRecordPage[Key] } & {
  groups: { readonly id: number; readonly offset: number }[];
};

interface OpenGroup {
  readonly page: Page;
  /** Not yet written, with their lengths. */
  blobs: Buffer[];
  blobBytes: number;
  readonly raws: Buffer[];
  rawBytes: number;
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(ROW_LENGTH_BYTES);
  length.writeUIntLE(bytes.length, 0, 6);
  return length;
}
