/** Published run files with a model of debug size: what `--set` makes of them, and weights that fit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPublishedRun } from '../../../src/compat/index.js';
import { parseArchitecture, saveModel } from '../../../src/models/index.js';
import { initializeModule } from '../../../src/nn/index.js';
import { RandomGenerator } from '../../../src/tensor/index.js';
import { goldenFolder } from '../golden.js';

/** Of the tokenizers below. */
export const SMALL_VOCABULARY = 1000;

export const sparkTokenizer = `${goldenFolder}tokenizers/spark_like`;
export const telechatTokenizer = `${goldenFolder}tokenizers/bbpe_gpt2`;

export function isSparkFile(path: string): boolean {
  return readFileSync(path, 'utf8').includes('IFlytekSparkConfig');
}

/** `key=value` for `--set`: sizes alone. */
export function smallSizes(path: string): string[] {
  const section = 'model.model_config';
  const sizes = {
    hidden_size: 32,
    num_layers: 2,
    num_heads: 4,
    vocab_size: SMALL_VOCABULARY,
    seq_length: 128,
    ...(isSparkFile(path) ? { ffn_hidden_size: 96, sparse_local_size: 64 } : { intermediate_size: 48 }),
  };
  return Object.entries(sizes).map(([key, value]) => `${section}.${key}=${value}`);
}

/** A model folder whose weights fit the run file with `smallSizes`, wide enough for answers that differ. @returns the folder */
export async function smallModel(
  path: string,
  folder: string,
  sets: readonly string[] = [],
): Promise<string> {
  const { model: section } = loadPublishedRun(path, [...smallSizes(path), ...sets]);
  const architecture = parseArchitecture(section.config, path);
  const model = architecture.createModel();
  initializeModule(model, { rule: { kind: 'normal', std: 0.2 }, generator: new RandomGenerator(7) });
  const target = join(folder, 'model');
  await saveModel(target, { model, architecture }, isSparkFile(path) ? sparkTokenizer : telechatTokenizer);
  model.dispose();
  return target;
}
