/** Keys of a turn, or of a record, that say whether an answer is learned; and those that would change it otherwise. */
import { showValue } from '../../formats/index.js';
import { FormFault, type JsonRecord, wrongType } from './form.js';

/**
 * 1 or true: learned; 0 or false: read only. `weight` is OpenAI's, `train` and `training` axolotl's, `loss` that of ms-swift and
 * XTuner, `loss_weight` and `loss_scale` LLaMA-Factory's and ms-swift's, `use_loss` OpenChat's.
 */
export const LEARNED_KEYS = [
  'weight',
  'train',
  'training',
  'trainable',
  'loss',
  'use_loss',
  'loss_weight',
  'loss_scale',
  'loss_mask',
] as const;

/** Without a value they mean nothing; with one they change what is learned in a way that is not done here. */
const REFUSED_TURN_KEYS: ReadonlyMap<string, string> = new Map([
  ['train_detail', 'parts of an answer cannot be left out; split the turn, or leave the record out'],
  ['training_detail', 'parts of an answer cannot be left out; split the turn, or leave the record out'],
  ['mask', 'sets disagree on whether true is learned; write "weight": 0 or 1'],
  ['masked', 'sets disagree on what is left out; write "weight": 0 or 1'],
  ['ignore_loss', 'write "weight": 0 or 1'],
  ['no_loss', 'write "weight": 0 or 1'],
]);

/** Keys of preference sets: an answer marked as bad is not to be learned. */
const GOOD_KEYS = ['kto_tag', 'kto_label', 'label'] as const;

export const LEARNING_RECORD_KEYS: readonly string[] = [...LEARNED_KEYS, ...GOOD_KEYS, 'mask'];
export const LEARNING_TURN_KEYS: readonly string[] = [...LEARNED_KEYS, ...REFUSED_TURN_KEYS.keys()];

/** What the keys of a turn say; undefined: nothing. */
export function learnedByTurn(turn: JsonRecord, path: string, isAnswer: boolean): boolean | undefined {
  for (const [key, reason] of REFUSED_TURN_KEYS) {
    const value = turn[key];
    const isNothing = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (!isNothing) throw new FormFault('what is learned', `\`${path}.${key}\`: ${reason}`);
  }
  const isLearned = learnedByKeys(turn, `${path}.`);
  if (isAnswer || isLearned !== true) return isLearned;
  throw new FormFault(
    'what is learned',
    `\`${path}\` asks for a message to be learned that is no answer; only answers are learned`,
  );
}

/** What the keys of a record say of all its answers. */
export function learnedByRecord(record: JsonRecord): boolean | undefined {
  for (const key of GOOD_KEYS)
    if (record[key] === false)
      throw new FormFault(
        'what is learned',
        `\`${key}\` is false: the answer is one that is not wanted, and would be learned; leave the record out`,
      );
  const { mask } = record;
  // NeMo's: the role whose messages are only read.
  if (mask !== undefined && mask !== null && !/^(user|human|system)$/i.test(String(mask)))
    throw new FormFault('what is learned', `\`mask\` is ${showValue(mask)}; only "User" is as it is here`);
  return learnedByKeys(record);
}

export function learnedByKeys(record: JsonRecord, prefix = ''): boolean | undefined {
  let said: { key: string; isLearned: boolean } | undefined;
  for (const key of LEARNED_KEYS) {
    const value = record[key];
    if (value === undefined || value === null) continue;
    if (value !== 0 && value !== 1 && typeof value !== 'boolean')
      throw wrongType(`${prefix}${key}`, '0 or 1 (learned), true or false', value);
    const isLearned = value === 1 || value === true;
    if (said !== undefined && said.isLearned !== isLearned)
      throw new FormFault(
        'what is learned',
        `\`${prefix}${said.key}\` and \`${prefix}${key}\` contradict each other`,
      );
    said ??= { key, isLearned };
  }
  return said?.isLearned;
}
