/** A dataset in a few lines, and which rows a training step takes. */
import type { Dataset } from '../dataset/dataset.js';
import { RowOrder } from '../row-order.js';

export function renderDatasetText(dataset: Dataset): string {
  const { index, rowCount, rowLength, phases, parts } = dataset;
  if (parts !== undefined)
    return `${parts.length} datasets together: ${rowCount} rows of at most ${rowLength} ids\n\n${parts.map(renderDatasetText).join('\n')}`;
  const lines = [`${dataset.path}: ${rowCount} rows of ${rowLength} ids`];
  if (index === undefined) lines.push('made by another program: no index, no origins');
  else {
    const ids = Math.max(1, rowCount * rowLength);
    const share = (part: number, whole: number): string =>
      `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
    lines.push(
      `recipe     ${index.recipe}, packing ${index.packing}, ${index.split} rows, ${index.container}` +
        `${index.shard === undefined ? '' : `, part ${index.shard}`}`,
      `tokens     ${index.tokens}, the rows are ${share(index.tokens, ids)} full`,
      `learned    ${index.learned_tokens}, ${share(index.learned_tokens, index.tokens)} of the tokens`,
      `padding    id ${index.padding.id} on the ${index.padding.side}`,
      `tokenizer  ${index.tokenizer.path}, ${index.tokenizer.vocab_size} ids, sha256 ${index.tokenizer.sha256.slice(0, 12)}`,
      ...(phases.length > 1 ? [`phases     of ${phases.join(', ')} rows`] : []),
      ...index.sources.map(
        ({ path, bytes, sha256 }) => `input      ${path}, ${bytes} bytes, sha256 ${sha256.slice(0, 12)}`,
      ),
      ...index.files.map(({ name, rows }) => `rows       ${name}: ${rows}`),
    );
  }
  return `${lines.join('\n')}\n`;
}

export interface StepRow {
  readonly row: number;
  /** "file:line" of each document. */
  readonly origins: readonly string[];
}

/** The rows of a training step (from 1, as metrics count) and where they came from. */
export function rowsOfStep(
  dataset: Dataset,
  step: number,
  options: { readonly rowsPerStep: number; readonly seed: number; readonly shuffle: boolean },
): StepRow[] {
  const { rowsPerStep, seed, shuffle } = options;
  const order = new RowOrder(dataset.rowCount, { seed, shuffle, phases: dataset.phases });
  return Array.from({ length: rowsPerStep }, (_, index): StepRow => {
    const row = order.rowAt((step - 1) * rowsPerStep + index);
    return { row, origins: dataset.origins(row).map(({ file, line }) => `${file}:${line}`) };
  });
}
