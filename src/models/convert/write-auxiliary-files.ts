/** What a converted folder holds beside its tensors: index or layout, config, tokenizer, an adapter's config. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ADAPTER_CONFIG_FILE,
  container,
  findAdapterConfig,
  isAdapterName,
  LAYOUT_FILE,
  STRATEGY_FILE,
  totalBytes,
} from '../../checkpoint/index.js';
import { writeFileAtomic, writeStrategyFile } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { copyAuxiliaryFiles } from '../auxiliary-files.js';
import { configValue } from '../family.js';
import type { ConvertOptions } from './convert-options.js';
import { replaceTokenizer } from './extend-vocabulary.js';
import { embeddedConfig } from './gguf/gguf-config.js';
import { writeLlamaFiles } from './llama-target.js';
import type { ConversionSource } from './open-source.js';
import { type ConversionPlan, llamaDtype } from './plan-conversion.js';

export function writeAuxiliaryFiles(folder: string, plan: ConversionPlan, options: ConvertOptions): void {
  writeIndexes(folder, plan, options);
  copyAuxiliaryFiles(options.from, folder, options.configPath);
  writeEmbeddedConfig(folder, options, plan.source);
  if (options.vocabulary !== undefined && plan.newRows !== undefined)
    replaceTokenizer(folder, options.vocabulary, plan.newRows);
  writeAdapterConfig(folder, plan, options.from);
  if (plan.llama !== undefined)
    writeLlamaFiles(folder, plan.llama, llamaDtype(options, plan.source.model), options.to);
}

/** Weights without an adapter get none: programs would look for the adapter that it tells of. */
function writeAdapterConfig(folder: string, { peftConfig, files }: ConversionPlan, from: string): void {
  const path = join(folder, ADAPTER_CONFIG_FILE);
  const held = findAdapterConfig(from);
  if (peftConfig !== undefined) writeFileAtomic(path, `${JSON.stringify(peftConfig, null, 2)}\n`);
  else if (held !== undefined && files.some(({ tensors }) => tensors.some(({ name }) => isAdapterName(name))))
    copyFileSync(held, path);
}

/** A model that came with its config inside a GGUF has no file of it to copy. */
function writeEmbeddedConfig(
  folder: string,
  { from, configPath }: ConvertOptions,
  { architecture }: ConversionSource,
): void {
  if (architecture === undefined || configPath !== undefined || embeddedConfig(from) === undefined) return;
  const rotation = configValue(configValue(architecture.publishedConfig, 'rope_scaling'), 'rope_type');
  if (rotation === 'divisors')
    log(
      `${from}: its divisors of the rotary frequencies are those of no rotation that transformers has; config.json says so ` +
        '(rope_type "divisors"), and only this program reads it',
    );
  writeFileAtomic(
    join(folder, architecture.configFile),
    `${JSON.stringify(architecture.publishedConfig, null, 2)}\n`,
  );
}

function writeIndexes(
  folder: string,
  { files, format, strategy }: ConversionPlan,
  { layout }: ConvertOptions,
): void {
  if (layout !== undefined) {
    writeFileAtomic(join(folder, LAYOUT_FILE), `${JSON.stringify(layout, null, 2)}\n`);
    if (strategy !== undefined) writeStrategyFile(join(folder, STRATEGY_FILE), strategy);
    return;
  }
  const { indexName } = container(format);
  if (files.length === 1 || indexName === undefined) return;
  const weightMap = files.flatMap(({ path, tensors }) => tensors.map(({ name }) => [name, path]));
  const index = { metadata: { total_size: totalBytes(files) }, weight_map: Object.fromEntries(weightMap) };
  writeFileAtomic(join(folder, indexName), `${JSON.stringify(index, null, 2)}\n`);
}
