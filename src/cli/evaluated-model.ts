/** A model of ours, made ready to be evaluated. */
import { hashModel, hashTokenizer, type LanguageModel, LocalModel } from '../evaluation/index.js';
import type { ModelRanks } from '../generation/index.js';
import { chooseModelChat, loadModelTokenizer, parseTemplateValues } from '../models/index.js';
import type { chatOptions } from './chat-options.js';
import { loadModelByOptions, type modelOptions } from './model-options.js';
import type { OptionValues } from './options.js';
import { readModelDefaults } from './sampling-options.js';

type LocalModelOptions = OptionValues<typeof modelOptions> &
  OptionValues<typeof chatOptions> & { readonly tokenizer: string | undefined };

/** @param ranks that share the model */
export function openLocalModel(options: LocalModelOptions, ranks?: ModelRanks): LanguageModel {
  const { model: path, adapter } = options;
  const defaults = readModelDefaults(path);
  const loaded = loadModelByOptions(options, { ranks });
  const source = options.tokenizer ?? path;
  const tokenizer = loadModelTokenizer(loaded.architecture, source);
  const chosen = chooseModelChat(
    loaded.architecture,
    options.tokenizer === undefined ? [path] : [options.tokenizer, path],
    { template: options['chat-template'], values: parseTemplateValues(options['template-set']) },
  );
  return new LocalModel({
    loaded,
    tokenizer,
    chat: chosen?.format,
    stopTokenIds: defaults.eosTokenIds,
    identity: {
      path,
      model: hashModel(path),
      tokenizer: hashTokenizer(source),
      adapter: adapter === undefined ? null : hashModel(adapter),
      dtype: options.dtype ?? null,
    },
  });
}
