/** What `forward`, `generate` and `chat` share: which model, in which dtype, on which device, with which adapter. */
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadAdapter } from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { type LoadedModel, loadModel } from '../models/index.js';
import { prepareEngine, selectDevice } from '../tensor/index.js';
import { loadTokenizer, type Tokenizer } from '../tokenizers/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const modelOptions = {
  model: { kind: 'string', value: 'PATH', required: true, help: 'model folder, or a weight file' },
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  adapter: { kind: 'string', value: 'PATH', help: 'a LoRA adapter: PEFT folder or safetensors file' },
  dtype: {
    kind: 'string',
    choices: ['float32', 'float64', 'bfloat16', 'float16'],
    help: 'compute in this dtype; default: that of the weights',
  },
  device: { kind: 'string', value: 'cpu|cuda[:N]', help: 'default cpu' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
} as const satisfies Record<string, OptionSpec>;

export function loadModelByOptions(options: OptionValues<typeof modelOptions>): LoadedModel {
  prepareEngine(options.threads === undefined ? {} : { threads: options.threads });
  const loaded = loadModel(options.model, {
    configPath: options.config,
    dtype: options.dtype,
    device: options.device === undefined ? undefined : selectDevice(options.device),
  });
  if (options.adapter !== undefined) {
    const { model, architecture } = loaded;
    for (const layer of loadAdapter(model, architecture.names, options.adapter).values())
      if (options.dtype !== undefined) layer.to({ dtype: options.dtype });
  }
  return loaded;
}

/** The tokenizer given, else the one in the model's folder; must fit the model's vocabulary. */
export function loadTokenizerFor(
  modelPath: string,
  { architecture }: LoadedModel,
  tokenizerPath: string | undefined,
): Tokenizer {
  const folder = statSync(modelPath).isDirectory() ? modelPath : dirname(modelPath);
  if (tokenizerPath === undefined && !hasTokenizer(folder))
    throw new InputError(`${folder}: no tokenizer.json or tokenizer.model there; give one with --tokenizer.`);
  const path = tokenizerPath ?? folder;
  const tokenizer = loadTokenizer(path, architecture.tokenizerOptions);
  if (tokenizer.vocabSize > architecture.vocabSize)
    throw new InputError(
      `${path}: the tokenizer has ${tokenizer.vocabSize} ids, the model's vocabulary ${architecture.vocabSize}; ` +
        'they do not belong together.',
    );
  return tokenizer;
}

function hasTokenizer(folder: string): boolean {
  return existsSync(`${folder}/tokenizer.json`) || existsSync(`${folder}/tokenizer.model`);
}
