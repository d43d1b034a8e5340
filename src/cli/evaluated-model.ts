/** The model that options name, made ready to be evaluated. */
import type { LanguageModel } from '../evaluation/index.js';
import type { ModelRanks } from '../generation/index.js';
import { openLocalModel as open } from '../library/index.js';
import { parseTemplateValues } from '../models/index.js';
import type { chatOptions } from './chat-options.js';
import type { IntegerOptionValues, modelOptions } from './model-options.js';
import type { OptionValues } from './options.js';

type LocalModelOptions = Omit<OptionValues<typeof modelOptions>, 'hub'> &
  OptionValues<typeof chatOptions> &
  Partial<IntegerOptionValues> & { readonly tokenizer: string | undefined };

/** @param ranks that share the model */
export function openLocalModel(options: LocalModelOptions, ranks?: ModelRanks): LanguageModel {
  return open({
    path: options.model,
    configPath: options.config,
    tokenizerPath: options.tokenizer,
    adapter: options.adapter,
    dtype: options.dtype,
    device: options.device,
    threads: options.threads,
    integerActivations: options['integer-activations'],
    chat: { template: options['chat-template'], values: parseTemplateValues(options['template-set']) },
    ranks,
  });
}
