/** Values that a published run file leaves to its user. */
import type { FamilyName } from '../../models/index.js';
import { type MissingValue, valueAt } from '../imported-run.js';
import type { RunMode } from './published-schema.js';

/** What must be set before the run can start; each published file leaves some to its user. */
export function missingValues(
  mode: RunMode,
  train: unknown,
  family: FamilyName,
  ownModel: boolean,
): MissingValue[] {
  const has = (...path: readonly string[]): boolean => valueAt(train, ...path) !== undefined;
  const missing: MissingValue[] = [];
  if (mode !== 'train' && mode !== 'finetune') return missing;
  const recipe = `${family}-${mode === 'train' ? 'pretrain' : 'sft'}`;
  if (!has('data', 'dataset') && !has('data', 'files'))
    missing.push({
      key: 'train_dataset.data_loader.dataset_dir',
      message:
        `is empty; prepare the data with xinghe data prepare --recipe ${recipe} --format mindrecord, and give its path: ` +
        '--set train_dataset.data_loader.dataset_dir=PATH.',
    });
  if (has('evaluation') && !has('evaluation', 'dataset') && !has('evaluation', 'files'))
    missing.push({
      key: 'eval_dataset.data_loader.dataset_dir',
      message:
        'is empty and do_eval is true: --set eval_dataset.data_loader.dataset_dir=PATH, or do_eval=false.',
    });
  if (mode === 'finetune' && !has('model', 'path') && !ownModel)
    missing.push({
      key: 'load_checkpoint',
      message:
        'is empty and run_mode is finetune: --set load_checkpoint=PATH (a model folder, or a weight file with its config ' +
        'beside it); run_mode=train begins with random weights.',
    });
  if (!has('model', 'path') && !has('model', 'tokenizer'))
    missing.push({
      key: 'tokenizer_file',
      message: 'published files do not name the tokenizer: --set tokenizer_file=PATH.',
    });
  return missing;
}
