import type { Database, SqlJsStatic, SqlValue, Statement } from 'sql.js';
import { withInputFile } from '../files/input-file.js';
import { decodeRow } from './mindrecord-row.js';
import type { MindRecordColumn } from './mindrecord-schema.js';
import { MindRecordShard } from './mindrecord-shard.js';

/** The SQLite type of an indexed column. */
const SQL_TYPES = {
  int32: 'INTEGER',
  int64: 'INTEGER',
  float32: 'REAL',
  float64: 'REAL',
  string: 'TEXT',
} as const;

type IndexedColumn = MindRecordColumn & { readonly type: keyof typeof SQL_TYPES };

let loading: Promise<SqlJsStatic> | undefined;

/** SQLite as WebAssembly, loaded when first needed. */
function loadSqlite(): Promise<SqlJsStatic> {
  loading ??= import('sql.js').then(({ default: initialise }) => initialise());
  return loading;
}

/**
 * The index that MindSpore wants beside a shard, `<shard>.db`, made from the shard itself: an SQLite file with the table
 * INDEXES (a line a row: pages and byte ranges, single values) and the table SHARD_NAME. It is built in memory: some 70
 * bytes a row, and twice the bytes of indexed texts.
 * @param path where the shard lies now; @param name is its name to be.
 */
export async function buildMindRecordIndex(path: string, name: string): Promise<Uint8Array> {
  const { Database } = await loadSqlite();
  const database = new Database();
  try {
    const shard = MindRecordShard.open(path);
    const indexed = shard.header.columns.filter(isIndexed);
    database.run('BEGIN');
    createTables(database, indexed);
    database.run('INSERT INTO SHARD_NAME (NAME) VALUES (?)', [name]);
    const places = Array.from({ length: 8 + 2 * indexed.length }, () => '?').join(',');
    const statement = database.prepare(`INSERT INTO INDEXES VALUES (${places})`);
    insertRows(shard, indexed, statement);
    statement.free();
    database.run('COMMIT');
    return database.export();
  } finally {
    database.close();
  }
}

function isIndexed(column: MindRecordColumn): column is IndexedColumn {
  return column.shape === undefined && column.type !== 'bytes';
}

function createTables(database: Database, indexed: readonly IndexedColumn[]): void {
  const places = [
    'ROW_ID INT NOT NULL',
    'PAGE_ID_RAW INT NOT NULL',
    'PAGE_OFFSET_RAW INT NOT NULL',
    'PAGE_OFFSET_RAW_END INT NOT NULL',
    'ROW_GROUP_ID INT NOT NULL',
    'PAGE_ID_BLOB INT NOT NULL',
    'PAGE_OFFSET_BLOB INT NOT NULL',
    'PAGE_OFFSET_BLOB_END INT NOT NULL',
  ];
  const columns = indexed.flatMap(({ name, type }, index) => [
    `INC_${index} INT`,
    `${name}_0 ${SQL_TYPES[type]}`,
  ]);
  const key = ['ROW_ID', ...indexed.map((_, index) => `INC_${index}`)];
  database.run(`CREATE TABLE INDEXES(${[...places, ...columns].join(', ')}, PRIMARY KEY(${key.join(',')}))`);
  database.run('CREATE TABLE SHARD_NAME(NAME TEXT NOT NULL)');
}

function insertRows(shard: MindRecordShard, indexed: readonly IndexedColumn[], statement: Statement): void {
  withInputFile(shard.path, (file) => {
    for (let row = 0; row < shard.rowCount; row++) {
      const location = shard.location(file, row);
      const { group, blobPage, rawPage, blob, raw } = location;
      const values: SqlValue[] = [row, rawPage, raw.start, raw.end, group, blobPage, blob.start, blob.end];
      if (indexed.length > 0) {
        const bytes = shard.read(file, rawPage, raw);
        const scalars = decodeRow(indexed, Buffer.alloc(0), bytes, () => `${shard.path}, row ${row}`);
        for (const { name } of indexed) values.push(0, sqlValue(scalars[name]));
      }
      statement.run(values);
    }
  });
}

/** A bigint goes as text: the column's affinity makes it an integer again. */
function sqlValue(value: unknown): SqlValue {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'number' || typeof value === 'string' ? value : null;
}
