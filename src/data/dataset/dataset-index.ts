/** index.json of a prepared dataset: what its rows are, which files hold them, and what they were made from. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readJsonFile } from '../../formats/index.js';

export const INDEX_FILE = 'index.json';
const FORMAT = 'xinghe-rows';
const VERSION = 1;

const count = z.int().nonnegative();
const fileName = z.string().regex(/^[^/\\]+$/, 'expected a file name without a folder');

const sourceSchema = z.object({
  /** As the user named it. */
  path: z.string(),
  bytes: count,
  sha256: z.string(),
});

const rowsFileSchema = z.object({
  name: fileName,
  /** Where the origins of the rows lie; the rows file itself if it is a safetensors file. */
  origins: fileName,
  rows: count,
  /** Phase of the curriculum, from 0. */
  phase: count,
  /** File numbers in `origins` count from this entry of `sources`. */
  first_source: count,
});

const datasetIndexSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  container: z.enum(['safetensors', 'mindrecord']),
  recipe: z.string(),
  kind: z.enum(['pretrain', 'sft']),
  split: z.enum(['train', 'validation']),
  packing: z.string(),
  seq_length: z.int().positive(),
  /** Ids in each row, padding included. */
  row_length: z.int().positive(),
  padding: z.object({ side: z.enum(['left', 'right']), id: count }),
  tokenizer: z.object({ path: z.string(), sha256: z.string(), vocab_size: z.int().positive() }),
  /** The Jinja template that rendered the dialogues; absent: a published format, or texts. */
  chat_template: z.string().optional(),
  /** Everything else that decides about the rows. */
  options: z.record(z.string(), z.unknown()),
  sources: z.array(sourceSchema),
  rows: count,
  /** Ids that are no padding, and those of them that are learned. */
  tokens: count,
  learned_tokens: count,
  files: z.array(rowsFileSchema),
  /** The part of a job array that this is, e.g. "2/8"; absent: whole. */
  shard: z.string().optional(),
});

export type DatasetIndex = z.output<typeof datasetIndexSchema>;
export type RowsFileEntry = DatasetIndex['files'][number];
export type SourceEntry = DatasetIndex['sources'][number];

export function createIndex(content: Omit<DatasetIndex, 'format' | 'version'>): DatasetIndex {
  const index = { format: FORMAT, version: VERSION, ...content } as const;
  // What the reader would refuse must not be written.
  datasetIndexSchema.parse(JSON.parse(JSON.stringify(index)));
  return index;
}

/** @throws InputError for a file that is no index, or whose counts do not agree */
export function readDatasetIndex(folder: string): DatasetIndex {
  const path = join(folder, INDEX_FILE);
  const index = parseConfig(datasetIndexSchema, readJsonFile(path), { source: path });
  const rows = index.files.reduce((sum, file) => sum + file.rows, 0);
  if (rows !== index.rows)
    throw new InputError(
      `${path}: rows is ${index.rows}, but the files hold ${rows}; prepare the data again.`,
    );
  return index;
}
