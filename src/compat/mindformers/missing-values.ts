/** Values that a published run file leaves to its user. */
import { dirname } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { FamilyName } from '../../models/index.js';
import { findTokenizerFile } from '../../tokenizers/index.js';
import { type MissingValue, valueAt } from '../imported-run.js';
import type { PublishedRunFile, RunMode } from './published-schema.js';

/** What must be set before the run can start; each published file leaves some to its user. */
export function missingValues(
  file: PublishedRunFile,
  train: Readonly<Record<string, unknown>>,
  family: FamilyName,
): MissingValue[] {
  const mode = file.run_mode;
  const has = (...path: readonly string[]): boolean => valueAt(train, ...path) !== undefined;
  const hasRows = has('data', 'dataset') || has('data', 'files');
  switch (mode) {
    case 'train':
    case 'finetune':
      return [
        ...(hasRows ? [] : [trainRows(mode, family)]),
        ...(has('evaluation') && !has('evaluation', 'dataset') && !has('evaluation', 'files')
          ? [heldOutRows('do_eval is true', ', or do_eval=false')]
          : []),
        ...(mode === 'finetune' && !has('model', 'path') && !isOwnModel(file)
          ? [weights(mode, '; run_mode=train begins with random weights')]
          : []),
        ...(!has('model', 'path') && !has('model', 'tokenizer') ? [TOKENIZER] : []),
      ];
    case 'eval':
      return [
        ...(hasRows ? [] : [heldOutRows('run_mode is eval', '')]),
        ...(has('model', 'path') ? [] : [weights(mode, '')]),
      ];
    case 'predict':
      return [
        ...(has('model', 'path') ? [] : [weights(mode, '')]),
        ...(hasTokenizer(train) ? [] : [TOKENIZER]),
        ...(file.predict_data === undefined || file.predict_data === null || file.predict_data === ''
          ? [QUESTIONS]
          : []),
      ];
    case 'export':
      return [
        ...(has('model', 'path') ? [] : [weights(mode, '')]),
        ...(file.mindir_save_dir ? [] : [EXPORT_FOLDER]),
      ];
  }
}

function trainRows(mode: RunMode, family: FamilyName): MissingValue {
  const recipe = `${family}-${mode === 'train' ? 'pretrain' : 'sft'}`;
  return {
    key: 'train_dataset.data_loader.dataset_dir',
    message:
      `is empty; prepare the data with xinghe data prepare --recipe ${recipe} --format mindrecord, and give its path: ` +
      '--set train_dataset.data_loader.dataset_dir=PATH (xinghe run: --train_dataset PATH).',
  };
}

function heldOutRows(because: string, wayOut: string): MissingValue {
  return {
    key: 'eval_dataset.data_loader.dataset_dir',
    message: `is empty and ${because}: --set eval_dataset.data_loader.dataset_dir=PATH (xinghe run: --eval_dataset PATH)${wayOut}.`,
  };
}

function weights(mode: RunMode, wayOut: string): MissingValue {
  return {
    key: 'load_checkpoint',
    message:
      `is empty and run_mode is ${mode}: --set load_checkpoint=PATH (a model folder, a folder of rank_0, rank_1, …, or a weight ` +
      `file)${wayOut}.`,
  };
}

const TOKENIZER: MissingValue = {
  key: 'tokenizer_file',
  message: 'published files do not name the tokenizer: --set tokenizer_file=PATH.',
};

const QUESTIONS: MissingValue = {
  key: 'predict_data',
  message:
    'is empty and run_mode is predict: --predict_data FILE (.json or .jsonl, {"input": …} a line) or --predict_data "[q1##q2]".',
};

const EXPORT_FOLDER: MissingValue = {
  key: 'mindir_save_dir',
  message: 'is empty and run_mode is export: --mindir_save_dir FOLDER.',
};

/** A model of another config than the file's. */
function isOwnModel({ xinghe }: PublishedRunFile): boolean {
  return valueAt(xinghe, 'model', 'config') !== undefined;
}

/** Named, or beside the weights; what is inside a GGUF, and what is not there at all, shows when it is opened. */
function hasTokenizer(train: unknown): boolean {
  const path = valueAt(train, 'model', 'path');
  if (valueAt(train, 'model', 'tokenizer') !== undefined || typeof path !== 'string') return true;
  const status = fileStatus(path);
  if (status === undefined || /\.gguf$/i.test(path)) return true;
  try {
    findTokenizerFile(status.isDirectory() ? path : dirname(path));
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
