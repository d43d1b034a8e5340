/** Reads MindRecord data sets row by row. */
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, withInputFile } from '../files/input-file.js';
import { decodeRow } from './mindrecord-row.js';
import { isBlobColumn, type MindRecordColumn, type MindRecordRow } from './mindrecord-schema.js';
import { MindRecordShard } from './mindrecord-shard.js';

/**
 * A MindRecord data set of one or several files, as MindSpore's MindDataset reads it: the rows of one shard after those of
 * the other. The .db files beside them are not read: each file tells by itself where its rows are.
 */
export interface MindRecordFile {
  /** All shards, in order. */
  readonly paths: readonly string[];
  /** By name. */
  readonly columns: readonly MindRecordColumn[];
  /** What the writer said of the schema; may be empty. */
  readonly description: string;
  /** Over all shards. */
  readonly rowCount: number;
  /**
   * Row `index`, from 0; read from disk at each call.
   * @throws InputError if it is damaged; RangeError for an index outside (a fault of the caller)
   */
  row(index: number): MindRecordRow;
}

/**
 * Opens the data set that the shard at `path` belongs to; the others must lie beside it. No file is held open.
 * @throws InputError for damage, and if a shard is missing or of another data set
 */
export function openMindRecord(path: string): MindRecordFile {
  const shards = openShards(path);
  const [first] = shards;
  if (first === undefined) throw new InputError(`${path} names no shard.`);
  const { columns, description } = first.header;
  const needsRaw = columns.some((column) => !isBlobColumn(column));
  const ends: number[] = [];
  for (const { rowCount } of shards) ends.push((ends.at(-1) ?? 0) + rowCount);
  const rowCount = ends.at(-1) ?? 0;
  return {
    paths: shards.map((shard) => shard.path),
    columns,
    description,
    rowCount,
    row(index) {
      const at = ends.findIndex((end) => index < end);
      const shard = shards[at];
      if (shard === undefined || !Number.isInteger(index) || index < 0)
        throw new RangeError(`Row ${index} of ${rowCount}.`);
      const inShard = index - (ends[at - 1] ?? 0);
      return withInputFile(shard.path, (file) => {
        const location = shard.location(file, inShard);
        const blob = shard.read(file, location.blobPage, location.blob);
        const raw = needsRaw ? shard.read(file, location.rawPage, location.raw) : Buffer.alloc(0);
        return decodeRow(columns, blob, raw, () => `${shard.path}, row ${inShard}`);
      });
    },
  };
}

function openShards(path: string): MindRecordShard[] {
  const opened = MindRecordShard.open(path);
  const { shardNames, shardId } = opened.header;
  // A single file may have been renamed.
  if (shardNames.length === 1) return [opened];
  if (shardNames[shardId] !== basename(path))
    throw new InputError(
      `${path} calls itself ${shardNames[shardId]}; a file of ${shardNames.length} shards must keep its name.`,
    );
  return shardNames.map((name, index) => {
    if (index === shardId) return opened;
    const shardPath = join(dirname(path), name);
    if (fileStatus(shardPath) === undefined)
      throw new InputError(
        `${shardPath} is missing: ${path} is shard ${shardId} of ${shardNames.length}. Copy all shards into one folder.`,
      );
    const shard = MindRecordShard.open(shardPath);
    const { header } = shard;
    const same =
      header.shardId === index &&
      header.shardNames.join('\n') === shardNames.join('\n') &&
      JSON.stringify(header.columns) === JSON.stringify(opened.header.columns);
    if (!same)
      throw new InputError(
        `${shardPath} is not of the same data set as ${path}. Copy all shards of one set.`,
      );
    return shard;
  });
}
