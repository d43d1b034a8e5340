/** ids.json: token ids given directly, without a tokenizer. Shapes: B rows, T tokens. */
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { readJsonFile } from '../formats/index.js';

const rows = z.array(z.array(z.int()).min(1)).min(1);

const idsFileSchema = z.strictObject({
  input_ids: rows,
  attention_mask: rows.optional(),
  loss_mask: rows.optional(),
});

export interface IdsFile {
  readonly inputIds: readonly (readonly number[])[]; // [B, T]
  /** 1 real, 0 padding. */
  readonly attentionMask: readonly (readonly number[])[] | undefined;
  /** 1 where the token is learned. */
  readonly lossMask: readonly (readonly number[])[] | undefined;
}

/**
 * @param vocabSize ids must be below it
 * @param equalLengths whether all rows must be of one length (a forward pass); generation pads by itself
 * @throws InputError naming the row and the value that is wrong
 */
export function readIdsFile(path: string, vocabSize: number, equalLengths: boolean): IdsFile {
  const { input_ids, attention_mask, loss_mask } = parseConfig(idsFileSchema, readJsonFile(path), {
    source: path,
  });
  const length = input_ids[0]?.length;
  for (const [row, ids] of input_ids.entries()) {
    const outside = ids.findIndex((id) => id < 0 || id >= vocabSize);
    if (outside >= 0)
      throw new InputError(
        `${path}: input_ids[${row}][${outside}] is ${ids[outside]}; the vocabulary has ${vocabSize} ids.`,
      );
    if (equalLengths && ids.length !== length)
      throw new InputError(
        `${path}: input_ids[${row}] has ${ids.length} ids, input_ids[0] has ${length}; pad them to one length and ` +
          'give an attention_mask.',
      );
  }
  for (const [key, masks] of Object.entries({ attention_mask, loss_mask })) {
    if (masks === undefined) continue;
    if (masks.length !== input_ids.length)
      throw new InputError(`${path}: ${key} has ${masks.length} rows, input_ids has ${input_ids.length}.`);
    for (const [row, mask] of masks.entries()) {
      if (mask.length !== input_ids[row]?.length)
        throw new InputError(
          `${path}: ${key}[${row}] has ${mask.length} entries, input_ids[${row}] has ${input_ids[row]?.length}.`,
        );
      const wrong = mask.findIndex((value) => value !== 0 && value !== 1);
      if (wrong >= 0)
        throw new InputError(`${path}: ${key}[${row}][${wrong}] is ${mask[wrong]}; give 0 or 1.`);
      if (key === 'attention_mask' && !mask.includes(1))
        throw new InputError(`${path}: attention_mask[${row}] is all 0; at least one token must be real.`);
    }
  }
  return { inputIds: input_ids, attentionMask: attention_mask, lossMask: loss_mask };
}
