/** Published run files with a model of debug size: what `--set` makes of them, and weights that fit. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelCheckpoint } from '../../../src/checkpoint/index.js';
import { loadPublishedRun } from '../../../src/compat/index.js';
import { readView, type TensorView, writeCkptFile } from '../../../src/formats/index.js';
import { convertModel, parseArchitecture } from '../../../src/models/index.js';
import { goldenFolder } from '../golden.js';
import { saveRandomModel } from '../tiny-model.js';

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
  const target = join(folder, 'model');
  await saveRandomModel(target, architecture, isSparkFile(path) ? sparkTokenizer : telechatTokenizer);
  return target;
}

/**
 * The weights of a model with an adapter's matrices beside them, on two model-parallel ranks: what a LoRA run of MindSpore leaves,
 * without a config.
 */
export async function writeLoraRanks(model: string, adapter: string, target: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-lora-ranks-'));
  const halves = join(folder, 'halves.ckpt');
  await convertModel({
    from: join(adapter, 'adapter_model.safetensors'),
    to: halves,
    adapterNaming: 'mindpet',
  });
  const tensors = [join(model, 'model.safetensors'), halves].flatMap((path) => [
    ...(openModelCheckpoint(path).ranks[0] ?? new Map<string, TensorView>()),
  ]);
  const whole = join(folder, 'whole.ckpt');
  writeCkptFile(
    whole,
    tensors.map(([name, view]) => ({
      name,
      dtype: view.dtype,
      shape: view.shape,
      bytes: () => readView(view),
    })),
  );
  const configPath = join(model, 'model_config.yaml');
  const layout = {
    dataParallel: 1,
    modelParallel: 2,
    pipelineStages: 1,
    optimizerShard: false,
    shardThreshold: 0,
  };
  await convertModel({ from: whole, to: target, names: 'mindspore', configPath, layout });
  rmSync(join(target, 'model_config.yaml'));
  rmSync(folder, { recursive: true });
}
