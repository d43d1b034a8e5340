/** A model in one GGUF file, or in the parts that `llama-gguf-split` makes of one. */
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, readFileStart } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import type { GgufValue } from './gguf-metadata.js';
import { type GgufFile, type GgufQuantizedTensor, readGgufFile } from './gguf-reader.js';

export type GgufTensor = FileTensor | GgufQuantizedTensor;

export interface GgufModel {
  /** The first part, which has the metadata. */
  readonly path: string;
  readonly files: readonly string[];
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Of all parts, in file order. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;
const MAX_PARTS = 4096;

/** Is the file at `path` a GGUF by its first bytes? */
export function isGgufFile(path: string): boolean {
  return fileStatus(path)?.isFile() === true && readFileStart(path, 4).toString('latin1') === 'GGUF';
}

/**
 * @param path a file, any part of one, or a folder that holds one model
 * @throws InputError for a damaged file, parts that are missing or do not belong together, several models in a folder
 */
export function openGgufModel(path: string): GgufModel {
  const named = fileStatus(path)?.isDirectory() === true ? findGgufIn(path) : path;
  const file = readGgufFile(named);
  const count = splitNumber(file, 'split.count') ?? 1;
  if (count <= 1) return joined([file], undefined);
  const [, stem = ''] = partName(file, count);
  const partAt = (number: number): string =>
    join(dirname(named), `${stem}-${fiveDigits(number + 1)}-of-${fiveDigits(count)}.gguf`);
  const paths = Array.from({ length: count }, (_, number) => partAt(number));
  const missing = paths.filter((part) => fileStatus(part)?.isFile() !== true);
  if (missing.length > 0)
    throw new InputError(
      `${named} is one of ${count} parts, of which ${missing.length === 1 ? 'one is' : `${missing.length} are`} missing: ` +
        `${missing
          .slice(0, 5)
          .map((part) => basename(part))
          .join(', ')}${missing.length > 5 ? ', …' : ''}. Put all parts into one folder.`,
    );
  return joined(
    paths.map((part, number) => checkedPart(part === named ? file : readGgufFile(part), number, count)),
    count,
  );
}

/** The one model in a folder: its file, or the first of its parts. @throws InputError for none, and for several */
export function findGgufIn(folder: string): string {
  const names = listFolder(folder).filter((name) => name.toLowerCase().endsWith('.gguf'));
  const models = new Set(names.map((name) => name.replace(PART_NAME, '$1 $3')));
  const [first] = names;
  if (first === undefined || models.size > 1)
    throw new InputError(
      `${folder} holds ${first === undefined ? 'no .gguf file' : names.slice(0, 5).join(', ')}; name the file that is meant.`,
    );
  return join(folder, first);
}

function fiveDigits(number: number): string {
  return String(number).padStart(5, '0');
}

function splitNumber({ path, metadata }: GgufFile, key: string): number | undefined {
  const entry = metadata.get(key);
  if (entry === undefined) return undefined;
  const number = entry.type === 'uint64' || entry.type === 'int64' ? Number(entry.value) : entry.value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number;
  throw new InputError(`${path}: ${key} must be a count, found ${entry.type} ${showValue(entry.value)}.`);
}

/** @throws InputError for a name from which those of the other parts cannot be told */
function partName({ path, metadata }: GgufFile, count: number): RegExpExecArray {
  if (count > MAX_PARTS)
    throw new InputError(`${path}: split.count is ${count}; no model has more than ${MAX_PARTS} parts.`);
  const match = PART_NAME.exec(basename(path));
  const number = metadata.get('split.no');
  if (match !== null && Number(match[3]) === count) return match;
  throw new InputError(
    `${path} is part ${number === undefined ? '?' : Number(number.value) + 1} of ${count}; the others are found by their names, ` +
      `NAME-00001-of-${fiveDigits(count)}.gguf, which this file does not have. Give it back its name.`,
  );
}

function checkedPart(file: GgufFile, number: number, count: number): GgufFile {
  const [no, of] = [splitNumber(file, 'split.no'), splitNumber(file, 'split.count')];
  if (no === number && of === count) return file;
  throw new InputError(
    `${file.path} says that it is part ${no === undefined ? '?' : no + 1} of ${of ?? '?'} (split.no, split.count), and its name ` +
      `part ${number + 1} of ${count}: the parts belong to different models or were renamed.`,
  );
}

function joined(parts: readonly GgufFile[], count: number | undefined): GgufModel {
  const tensors = new Map<string, GgufTensor>();
  for (const { path, tensors: plain, quantized } of parts)
    for (const tensor of [...plain.values(), ...quantized.values()].sort(
      (a, b) => (a.ranges[0]?.start ?? 0) - (b.ranges[0]?.start ?? 0),
    )) {
      if (tensors.has(tensor.name))
        throw new InputError(
          `${path}: tensor ${showValue(tensor.name)} lies in an earlier part as well; the parts do not belong together.`,
        );
      tensors.set(tensor.name, tensor);
    }
  const [first] = parts;
  if (first === undefined) throw new TypeError('a model has parts');
  const claimed = count === undefined ? undefined : splitNumber(first, 'split.tensors.count');
  if (claimed !== undefined && claimed !== tensors.size)
    throw new InputError(
      `${first.path}: ${claimed} tensors are claimed (split.tensors.count), but the ${count} parts hold ${tensors.size}; ` +
        'a part is damaged or of another model.',
    );
  return { path: first.path, files: parts.map(({ path }) => path), metadata: first.metadata, tensors };
}
