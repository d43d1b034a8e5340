/** A model for a tokenizer with more pieces: rows for the new ones, each the mean of the pieces it was made of before. */
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { parseDocument } from 'yaml';
import type { ModelTensors, NameTable } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  type FileTensor,
  listFolder,
  readView,
  sliceRows,
  stackRows,
  type TensorView,
  viewOf,
  writeFileAtomic,
} from '../../formats/index.js';
import { isFloatDType, noGrad, scope, tensorFromBytes } from '../../tensor/index.js';
import { loadTokenizer, newRowSources } from '../../tokenizers/index.js';

export interface VocabularyExtension {
  /** The tokenizer file that the model was trained with. */
  readonly from: string;
  /** The one that extends it: ids of the old pieces are unchanged. */
  readonly to: string;
}

/** The tensors of a model, and what its family calls those with one row for each id. */
interface NamedTensors {
  readonly model: ModelTensors;
  readonly tables: { readonly names: NameTable };
}

/** What the new rows are made of, and how many ids there are then. */
export interface NewRows {
  /** For each new id, the old ids whose mean starts it; none: the mean of all. */
  readonly sources: readonly (readonly number[])[];
  readonly firstId: number;
  readonly vocabSize: number;
}

/** @throws InputError if one vocabulary does not extend the other, or the model has fewer rows than the old one */
export function planNewRows({ model, tables }: NamedTensors, { from, to }: VocabularyExtension): NewRows {
  const sources = newRowSources(from, to);
  if (sources.length === 0) throw new InputError(`${to} has no pieces that ${from} lacks.`);
  const firstId = loadTokenizer(from).vocabSize;
  const rows = model.weights.get(tables.names.embeddingWeight ?? '')?.shape[0];
  if (rows === undefined) throw new InputError('the source has no embedding whose rows could be extended.');
  if (rows < firstId)
    throw new InputError(
      `the embedding has ${rows} rows, ${from} ${firstId} ids; it is not the tokenizer of this model.`,
    );
  return { sources, firstId, vocabSize: Math.max(rows, firstId + sources.length) };
}

/**
 * The model with the new rows. Rows beyond the old vocabulary (padding of published models) are replaced first.
 * @param folder where the new rows are written; undefined: only the shapes are wanted
 */
export function extendRows(
  { model, tables }: NamedTensors,
  rows: NewRows,
  folder: string | undefined,
): ModelTensors {
  const weights = new Map(model.weights);
  const { embeddingWeight, headWeight } = tables.names;
  for (const path of [embeddingWeight, headWeight]) {
    const view = path === undefined ? undefined : weights.get(path);
    if (path === undefined || view === undefined) continue;
    const end = rows.firstId + rows.sources.length;
    const parts = [sliceRows(view, 0, rows.firstId), viewOf(writeRows(path, view, rows, folder))];
    const old = view.shape[0] ?? 0;
    if (old > end) parts.push(sliceRows(view, end, old));
    weights.set(path, stackRows(parts));
  }
  return { ...model, weights };
}

function writeRows(
  path: string,
  view: TensorView,
  { sources, firstId }: NewRows,
  folder: string | undefined,
): FileTensor {
  const { dtype } = view;
  const [, width = 0] = view.shape;
  const stored = { name: `new rows of ${path}`, dtype, shape: [sources.length, width] };
  if (folder === undefined) return { ...stored, ranges: [] };
  if (!isFloatDType(dtype))
    throw new InputError(`${view.source} has dtype ${dtype}, of which no mean can be made.`);
  const bytesOf = (ids: readonly number[]): Buffer =>
    Buffer.concat(ids.flatMap((id) => [...readView(sliceRows(view, id, id + 1))]));
  const meanOf = (bytes: Buffer, count: number): Uint8Array =>
    noGrad(() =>
      scope(() => tensorFromBytes(bytes, [count, width], dtype).to('float32').mean([0]).to(dtype).toBytes()),
    );
  let meanOfAll: Uint8Array | undefined;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${path}.rows`);
  writeFileAtomic(file, (write) => {
    for (const ids of sources) {
      meanOfAll ??=
        ids.length > 0
          ? undefined
          : meanOf(Buffer.concat([...readView(sliceRows(view, 0, firstId))]), firstId);
      write(ids.length > 0 ? meanOf(bytesOf(ids), ids.length) : (meanOfAll ?? new Uint8Array(0)));
    }
  });
  const bytes = sources.length * width * (dtype === 'float64' ? 8 : dtype === 'float32' ? 4 : 2);
  return { ...stored, ranges: [{ path: file, start: 0, end: bytes }] };
}

/** Puts the new size into the config beside the weights, and the new tokenizer in the place of the old one. */
export function replaceTokenizer(
  folder: string,
  { from, to }: VocabularyExtension,
  { vocabSize }: NewRows,
): void {
  for (const name of listFolder(folder)) {
    if (name === 'config.json' || /^model_config.*\.ya?ml$/.test(name))
      setVocabSize(join(folder, name), vocabSize);
    const isTokenizer = extname(from) === '.json' ? name === 'tokenizer.json' : extname(name) === '.model';
    if (isTokenizer) rmSync(join(folder, name));
  }
  const name = extname(to) === '.json' ? 'tokenizer.json' : basename(from);
  copyFileSync(to, join(folder, name));
}

function setVocabSize(path: string, vocabSize: number): void {
  // YAML's parser reads JSON as well; comments and order stay.
  const document = parseDocument(readFileSync(path, 'utf8'));
  for (const keys of [
    ['vocab_size'],
    ['model_config', 'vocab_size'],
    ['model', 'model_config', 'vocab_size'],
  ])
    if (document.hasIn(keys)) document.setIn(keys, vocabSize);
  const text = path.endsWith('.json') ? `${JSON.stringify(document.toJS(), null, 2)}\n` : document.toString();
  writeFileAtomic(path, text);
}
