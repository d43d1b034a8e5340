/** A text for `quantize`: windows of token ids, from records with a text or from ids as they are. */
import { readIdsFile } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { readRecords } from '../formats/index.js';
import { loadModelArchitecture, openTokenizer, tokenizerSource } from '../models/index.js';

export interface TextWindowOptions {
  /** Of the model that reads them. */
  readonly model: string;
  readonly config?: string | undefined;
  /** Tokens of a window; shorter where the model allows fewer. */
  readonly length: number;
  /** Windows at most. */
  readonly most: number;
}

/**
 * @param file {"input_ids": [[…]]} as `forward` reads it, or records of any format with "text"; a plain text is one
 * @throws InputError for a file without a window, and for ids that the model does not have
 */
export async function readTextWindows(file: string, options: TextWindowOptions): Promise<number[][]> {
  const { model, config, most } = options;
  const { shape } = loadModelArchitecture(model, config);
  const length = Math.min(options.length, shape.maxPositions ?? options.length);
  const given = idsIn(file, shape.vocabSize);
  if (given !== undefined) return given.slice(0, most).map((ids) => ids.slice(0, length));
  const tokenizer = openTokenizer(tokenizerSource(model));
  const ids: number[] = [];
  for await (const { value } of readRecords(file)) {
    const text = typeof value === 'string' ? value : textOf(value);
    if (text === undefined) continue;
    ids.push(...tokenizer.encode(text));
    if (ids.length >= length * most) break;
  }
  const outside = ids.find((id) => id >= shape.vocabSize);
  if (outside !== undefined)
    throw new InputError(
      `${file}: the tokenizer beside ${model} gives id ${outside}, and the model has ${shape.vocabSize}; they do not belong together.`,
    );
  const count = Math.min(most, Math.floor(ids.length / length));
  if (count === 0)
    throw new InputError(
      `${file}: ${ids.length} tokens of "text", and one window has ${length}; give more text, in records with "text".`,
    );
  return Array.from({ length: count }, (_, index) => ids.slice(index * length, (index + 1) * length));
}

function textOf(value: unknown): string | undefined {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'text') : undefined;
  return typeof text === 'string' ? text : undefined;
}

/** undefined for a file that holds no ids. */
function idsIn(file: string, vocabSize: number): readonly (readonly number[])[] | undefined {
  return file.endsWith('.json') ? readIdsFile(file, vocabSize, true).inputIds : undefined;
}
