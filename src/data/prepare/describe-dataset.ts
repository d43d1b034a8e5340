/** What the index of a dataset says about how it was made. */
import type { DatasetIndex } from '../dataset/dataset-index.js';
import type { WriteDatasetOptions } from '../dataset/write-dataset.js';
import { hashTokenizer } from './file-hash.js';
import type { PrepareJob } from './prepare-options.js';

export function describeDataset(
  job: PrepareJob,
  sources: DatasetIndex['sources'],
): Omit<WriteDatasetOptions['describe'], 'split'> & { readonly shard?: string } {
  const { options, recipe, packing, rowLength, padding, vocabSize, container, seed, validation, mixture } =
    job;
  const {
    form,
    answers,
    deduplicate,
    clean,
    shuffle,
    shard,
    onError,
    contamination,
    dropContaminated,
    parsesSpecial,
    chatTemplate,
    templateValues,
  } = options;
  return {
    container,
    recipe: options.recipe,
    kind: recipe.kind,
    packing,
    seq_length: options.seqLength,
    row_length: rowLength,
    padding,
    ...(job.chatTemplate !== undefined && { chat_template: job.chatTemplate }),
    tokenizer: { path: options.tokenizer, sha256: hashTokenizer(options.tokenizer), vocab_size: vocabSize },
    options: {
      form,
      answers,
      // Where it was asked for.
      ...(parsesSpecial === true && { parse_special: true }),
      ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
      ...(Object.keys(templateValues ?? {}).length > 0 && { template_values: templateValues }),
      mixture,
      seed,
      shuffle,
      validation,
      clean,
      deduplicate,
      on_error: onError,
      contamination,
      drop_contaminated: dropContaminated,
    },
    sources,
    ...(shard !== undefined && { shard: `${shard.index}/${shard.count}` }),
  };
}
