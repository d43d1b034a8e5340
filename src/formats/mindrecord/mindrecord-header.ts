/** The JSON header of a MindRecord shard: schema, pages, names of the other shards. */
import { InputError } from '../../errors/index.js';
import type { InputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import { decodeUtf8 } from '../files/utf8.js';
import { parseJson } from '../records/read-json.js';
import { checkColumns, MINDRECORD_TYPES, type MindRecordColumn } from './mindrecord-schema.js';

/**
 * The header of one shard: u64 little-endian length and JSON at the start of the file; page k lies at
 * headerBytes + k * pageBytes.
 */
export interface MindRecordHeader {
  /** Bytes kept for the header. */
  readonly headerBytes: number;
  /** Bytes of a page. */
  readonly pageBytes: number;
  readonly shardId: number;
  /** File names of all shards, in order; no folders. */
  readonly shardNames: readonly string[];
  /** By name. */
  readonly columns: readonly MindRecordColumn[];
  readonly description: string;
  /** Columns in the index, by name; none if the file has no single values. */
  readonly indexFields: readonly string[];
  /** Bytes that the packing of integers saved, over all shards. */
  readonly savedBytes: number;
  /** In file order. */
  readonly pages: readonly MindRecordPage[];
}

export interface MindRecordPage {
  /** Its place in the file. */
  readonly id: number;
  /** Blob: arrays and bytes of a group of rows; raw: the single values of one or several groups. */
  readonly kind: 'blob' | 'raw';
  /** Bytes in use, from the page's start. */
  readonly usedBytes: number;
  /** Of a blob page, the number of its group of rows, from 0. */
  readonly group: number;
  /** First row of a blob page, counted in the shard. */
  readonly startRow: number;
  /** End row of a blob page, exclusive. */
  readonly endRow: number;
  /** Of a raw page: its groups and where in the page each begins. */
  readonly groups: readonly { readonly id: number; readonly offset: number }[];
}

const LENGTH_BYTES = 8;
const VERSION = '3.0';
const DAMAGED = 'The file is truncated or damaged; copy or prepare it again.';
/** What MindSpore's encryption puts at the end of a file. */
const ENCRYPTED_END = 'ENCRYPT';
/** MindSpore's own limit. */
const MAX_HEADER_BYTES = 128 * 2 ** 20;

/** Reads and checks the header of a shard. Throws InputError naming the file and what is wrong in it. */
export function readMindRecordHeader(file: InputFile): MindRecordHeader {
  const { path, size } = file;
  const prefix = file.read(0, LENGTH_BYTES);
  const length = prefix.length < LENGTH_BYTES ? undefined : prefix.readBigUInt64LE();
  if (length === undefined || length > BigInt(Math.min(size - LENGTH_BYTES, MAX_HEADER_BYTES))) {
    refuseEncrypted(file);
    throw new InputError(
      `${path}: a header of ${length ?? 'no'} bytes is claimed in a file of ${size}. It is damaged or no MindRecord file.`,
    );
  }
  const source = `${path} (MindRecord header)`;
  const text = decodeUtf8(file.read(LENGTH_BYTES, Number(length)), source);
  const fields = new Fields(path, 'header', parseJson(text, source));
  const version = fields.text('version');
  if (version !== VERSION)
    throw new InputError(`${path} has MindRecord version ${showValue(version)}; readable is ${VERSION}.`);
  const header = {
    headerBytes: fields.integer('header_size'),
    pageBytes: fields.integer('page_size'),
    shardId: fields.integer('shard_id'),
    shardNames: fields.list('shard_addresses').map((name) => fileName(path, name)),
    ...readSchema(path, fields),
    indexFields: fields
      .list('index_fields')
      .map((field) => new Fields(path, 'index_fields', field).text('index_field')),
    savedBytes: fields.integer('compression_size', 0),
    pages: fields.list('page').map((page, index) => readPage(new Fields(path, `page ${index}`, page))),
  };
  if (header.shardId >= header.shardNames.length)
    throw fields.fault(
      `shard_id is ${header.shardId}, but shard_addresses has ${header.shardNames.length} names`,
    );
  checkPages(file, header);
  return header;
}

function refuseEncrypted({ path, size, read }: InputFile): void {
  const end = Math.max(0, size - ENCRYPTED_END.length);
  if (read(end, ENCRYPTED_END.length).toString('latin1') !== ENCRYPTED_END) return;
  throw new InputError(`${path} is encrypted. Read it in MindSpore with its key and write it without one.`);
}

function readSchema(path: string, header: Fields): { columns: MindRecordColumn[]; description: string } {
  const [first] = header.list('schema');
  const schema = new Fields(path, 'schema', first);
  const columns = schema.entries('schema').map(([name, value]): MindRecordColumn => {
    const column = new Fields(path, `column ${showValue(name)}`, value);
    const stated = column.text('type');
    const type = MINDRECORD_TYPES.find((known) => known === stated);
    if (type === undefined)
      throw column.fault(
        `has the unknown type ${showValue(stated)}; known are ${MINDRECORD_TYPES.join(', ')}`,
      );
    const shape = column.sizes('shape');
    return shape === undefined ? { name, type } : { name, type, shape };
  });
  return { columns: checkColumns(path, columns), description: schema.text('desc', '') };
}

function readPage(page: Fields): MindRecordPage {
  const kind = page.text('page_type');
  if (kind !== 'BLOB_DATA' && kind !== 'RAW_DATA')
    throw page.fault(`has the unknown type ${showValue(kind)}`);
  return {
    id: page.integer('page_id'),
    kind: kind === 'BLOB_DATA' ? 'blob' : 'raw',
    usedBytes: page.integer('page_size'),
    group: page.integer('page_type_id'),
    startRow: page.integer('start_row_id'),
    endRow: page.integer('end_row_id'),
    groups: page.list('row_group_ids').map((group) => {
      const fields = page.nested('row_group_ids', group);
      return { id: fields.integer('id'), offset: fields.integer('offset') };
    }),
  };
}

function checkPages(file: InputFile, { headerBytes, pageBytes, pages }: MindRecordHeader): void {
  for (const [index, { id, usedBytes }] of pages.entries()) {
    const fail = (problem: string): InputError =>
      new InputError(`${file.path}: page ${index} ${problem}. ${DAMAGED}`);
    if (id !== index) throw fail(`has the number ${id}`);
    if (usedBytes > pageBytes) throw fail(`uses ${usedBytes} bytes of ${pageBytes}`);
    const end = headerBytes + id * pageBytes + usedBytes;
    if (end > file.size) throw fail(`ends at byte ${end}, but the file has ${file.size}`);
  }
}

/** A shard is named without its folder; an older file may state the path it was written to. */
function fileName(path: string, address: unknown): string {
  const name = typeof address === 'string' ? address.split(/[/\\]/).at(-1) : undefined;
  if (name !== undefined && name !== '' && name !== '.' && name !== '..' && !name.includes('\0')) return name;
  throw new InputError(
    `${path}: shard_addresses must hold file names, found ${showValue(address)}. ${DAMAGED}`,
  );
}

/** The length and JSON of a header. Throws InputError if it is larger than the bytes kept for it. */
export function encodeMindRecordHeader(path: string, header: MindRecordHeader): Buffer {
  const {
    headerBytes,
    pageBytes,
    shardId,
    shardNames,
    columns,
    description,
    indexFields,
    savedBytes,
    pages,
  } = header;
  const schema = Object.fromEntries(
    columns.map(({ name, type, shape }) => [name, shape === undefined ? { type } : { shape, type }]),
  );
  const blobFields = columns
    .filter(({ type, shape }) => shape !== undefined || type === 'bytes')
    .map(({ name }) => name);
  // In the order of MindSpore's own files.
  const json = JSON.stringify({
    header_size: headerBytes,
    index_fields:
      indexFields.length === 0 ? null : indexFields.map((name) => ({ index_field: name, schema_id: 0 })),
    page: pages.length === 0 ? null : pages.map((page) => pageJson(page, shardId)),
    page_size: pageBytes,
    compression_size: savedBytes,
    schema: [{ blob_fields: blobFields, desc: description, schema }],
    shard_addresses: shardNames,
    shard_id: shardId,
    statistics: null,
    version: VERSION,
  });
  const text = Buffer.from(json);
  if (LENGTH_BYTES + text.length > headerBytes)
    throw new InputError(
      `${path}: the header needs ${LENGTH_BYTES + text.length} bytes for its ${pages.length} pages, but only ` +
        `${headerBytes} are kept for it. Choose a larger header or larger pages.`,
    );
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

function pageJson(
  { id, kind, usedBytes, group, startRow, endRow, groups }: MindRecordPage,
  shardId: number,
): object {
  return {
    end_row_id: endRow,
    page_id: id,
    page_size: usedBytes,
    page_type: kind === 'blob' ? 'BLOB_DATA' : 'RAW_DATA',
    page_type_id: group,
    row_group_ids: groups,
    shard_id: shardId,
    start_row_id: startRow,
  };
}

/** The fields of one JSON object of the header, with messages that name it. */
class Fields {
  readonly #path: string;
  readonly #where: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(path: string, where: string, value: unknown) {
    this.#path = path;
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.fault(`must be an object, found ${showValue(value)}`);
    this.#fields = new Map(Object.entries(value));
  }

  fault(problem: string): InputError {
    return new InputError(`${this.#path}: the ${this.#where} ${problem}. ${DAMAGED}`);
  }

  nested(key: string, value: unknown): Fields {
    return new Fields(this.#path, `${key} of ${this.#where}`, value);
  }

  text(key: string, absent?: string): string {
    const value = this.#fields.get(key) ?? absent;
    if (typeof value === 'string') return value;
    throw this.fault(`must have a text ${key}, found ${showValue(value)}`);
  }

  /** From 0 to 2^53 - 1. */
  integer(key: string, absent?: number): number {
    const value = this.#fields.get(key) ?? absent;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.fault(`must have an integer ${key} from 0, found ${showValue(value)}`);
  }

  /** Empty for null and for nothing. */
  list(key: string): readonly unknown[] {
    const value = this.#fields.get(key) ?? [];
    if (Array.isArray(value)) return value;
    throw this.fault(`must have a list ${key}, found ${showValue(value)}`);
  }

  sizes(key: string): number[] | undefined {
    if (!this.#fields.has(key)) return undefined;
    return this.list(key).map((size) => {
      if (typeof size === 'number' && Number.isSafeInteger(size)) return size;
      throw this.fault(`must have integers in ${key}, found ${showValue(size)}`);
    });
  }

  entries(key: string): [string, unknown][] {
    const value = this.#fields.get(key);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
    throw this.fault(`must have an object ${key}, found ${showValue(value)}`);
  }
}
