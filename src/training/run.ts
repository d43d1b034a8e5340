/** A training run from its configuration to `final/`. */
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { saveAdapter } from '../checkpoint/index.js';
import { InputError, messageOf } from '../errors/index.js';
import { fileStatus, writeFolderAtomic } from '../formats/index.js';
import { log } from '../log/index.js';
import { mergeLora } from '../lora/index.js';
import { type LoadedModel, loadModelTokenizer, saveModel, tokenizerSource } from '../models/index.js';
import { prepareEngine } from '../tensor/index.js';
import type { TrainConfig } from './run-config.js';
import { addAdapters, createRunModel } from './run-model.js';
import { readRunRows } from './run-rows.js';
import { METRICS_FILE, type TrainingResult, trainRows } from './train-rows.js';

/** What a run leaves in its folder; a second one must not write over it. */
const RUN_FILES = [METRICS_FILE, 'checkpoints', 'adapter', 'final'] as const;

/**
 * Runs a whole configuration. With LoRA, `adapter/` and the checkpoints hold the adapter alone (a PEFT folder), and
 * `final/` the model with the adapter merged.
 * @throws InputError for whatever of it is wrong, before anything is written
 */
export async function runTraining(config: TrainConfig): Promise<TrainingResult> {
  const { output, lora } = config;
  refuseOtherRun(output);
  const tokenizerPath = config.model.tokenizer ?? config.model.path;
  if (tokenizerPath === undefined)
    throw new InputError('model.tokenizer is missing; a new model needs a tokenizer file or folder.');
  prepareEngine(config.threads === undefined ? {} : { threads: config.threads });
  const loaded = createRunModel(config);
  const { model, architecture } = loaded;
  const tokenizer = loadModelTokenizer(architecture, tokenizerPath);
  const { rows, documentAttention } = await readRunRows(config.data, architecture, tokenizer);
  const adapters = lora === undefined ? undefined : addAdapters(loaded, lora, config.seed);
  const save = (folder: string): Promise<void> =>
    adapters === undefined
      ? saveModel(folder, loaded, tokenizerSource(tokenizerPath))
      : saveAdapterFolder(folder, loaded, config.model.path);

  const made = makeFolder(output);
  try {
    const result = await trainRows(loaded, rows, {
      ...config.training,
      output,
      seed: config.seed,
      shuffle: config.data.shuffle,
      document_attention: documentAttention,
      label: 'training',
      adapters,
      saveCheckpoint: save,
    });
    if (adapters !== undefined) {
      await save(join(output, 'adapter'));
      mergeLora(model);
    }
    await saveModel(join(output, 'final'), loaded, tokenizerSource(tokenizerPath));
    log(`final model: ${join(output, 'final')}`);
    return result;
  } catch (error) {
    removeIfEmpty(output, made);
    throw error;
  } finally {
    model.dispose();
  }
}

function saveAdapterFolder(
  folder: string,
  { model, architecture }: LoadedModel,
  base: string | undefined,
): Promise<void> {
  return writeFolderAtomic(folder, (temporary) => saveAdapter(model, architecture.names, temporary, base));
}

function refuseOtherRun(output: string): void {
  const status = fileStatus(output);
  if (status !== undefined && !status.isDirectory())
    throw new InputError(`${output}: output is a file; name a folder.`);
  const found = RUN_FILES.find((name) => fileStatus(join(output, name)) !== undefined);
  if (found !== undefined)
    throw new InputError(
      `${output}: holds a run already (${found}); name another output folder, or remove this one.`,
    );
}

/** @returns the uppermost folder that had to be made */
function makeFolder(output: string): string | undefined {
  try {
    return mkdirSync(output, { recursive: true });
  } catch (error) {
    throw new InputError(`${output}: the output folder cannot be made: ${messageOf(error)}.`);
  }
}

/** A run that fails in its first step leaves no folder behind. */
function removeIfEmpty(output: string, made: string | undefined): void {
  if (made === undefined) return;
  for (let folder = output; readdirSync(folder).length === 0; folder = dirname(folder)) {
    rmdirSync(folder);
    if (folder === made) return;
  }
}
