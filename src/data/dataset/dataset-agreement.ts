/** Whether prepared datasets are of one kind. */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors/index.js';
import type { FolderDataset } from './folder-dataset.js';

/** @throws InputError for datasets of different recipes, tokenizers or lengths */
export function checkAgreement(datasets: readonly FolderDataset[]): void {
  const traits = ({ index }: FolderDataset): Record<string, string | number> => ({
    recipe: index.recipe,
    container: index.container,
    'row length': index.row_length,
    padding: `${index.padding.side} ${index.padding.id}`,
    tokenizer: index.tokenizer.sha256,
    split: index.split,
    'chat template': templateName(index.chat_template),
    // Parts of a job array were made by the same options; other datasets may differ in them.
    ...(index.shard !== undefined && { options: JSON.stringify(index.options), packing: index.packing }),
  });
  const [first, ...others] = datasets;
  if (first === undefined) return;
  const expected = traits(first);
  for (const other of others) {
    const found = traits(other);
    const differing = Object.keys(expected).find((name) => expected[name] !== found[name]);
    if (differing !== undefined)
      throw new InputError(
        `${first.path} and ${other.path} differ in ${differing}: ${expected[differing]} and ${found[differing]}; ` +
          'only rows of one kind can be merged.',
      );
  }
}

/** Short enough for a message. */
function templateName(text: string | undefined): string {
  return text === undefined
    ? 'none'
    : `SHA-256 ${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}
