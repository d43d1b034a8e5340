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
  /** Of all windows together, at most; one window is read in any case. */
  readonly tokens: number;
}

/**
 * @param file {"input_ids": [[…]]} as `forward` reads it, or records of any format with "text"; a plain text is one
 * @throws InputError for a file without a window, and for ids that the model does not have
 */
export async function readTextWindows(file: string, options: TextWindowOptions): Promise<number[][]> {
  const { model, config, tokens } = options;
  const { shape } = loadModelArchitecture(model, config);
  const length = Math.min(options.length, shape.maxPositions ?? options.length);
  const given = idsIn(file, shape.vocabSize);
  if (given !== undefined) {
    const windows = given.map((ids) => ids.slice(0, length));
    return windows.slice(0, countOf(tokens, windows[0]?.length ?? 0));
  }
  const most = countOf(tokens, length);
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

function countOf(tokens: number, length: number): number {
  return Math.max(1, Math.floor(tokens / Math.max(1, length)));
}

function textOf(value: unknown): string | undefined {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'text') : undefined;
  return typeof text === 'string' ? text : undefined;
}

/** undefined for a file that holds no ids. @throws InputError for padding, which is no text, and rows without a prediction */
function idsIn(file: string, vocabSize: number): readonly (readonly number[])[] | undefined {
  if (!file.endsWith('.json')) return undefined;
  const { inputIds, attentionMask } = readIdsFile(file, vocabSize, true);
  const padded = attentionMask?.findIndex((mask) => mask.includes(0)) ?? -1;
  if (padded >= 0)
    throw new InputError(
      `${file}: attention_mask[${padded}] marks padding, and windows of a text have none; cut the rows to one length.`,
    );
  const length = inputIds[0]?.length ?? 0;
  if (length < 2)
    throw new InputError(
      `${file}: rows of ${length} ids predict nothing; give windows of text, such as 512 ids each.`,
    );
  return inputIds;
}
