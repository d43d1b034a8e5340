/**
 * The run files of iFlytekSpark and of TeleChat's MindFormers release as our configuration. What has a meaning here is mapped,
 * the rest is listed with its reason (published-keys.ts), and an unknown key is an error.
 */
import { dirname } from 'node:path';
import { applyOverrides, parseConfig, readYaml11File } from '../../config/index.js';
import { fileStatus } from '../../formats/index.js';
import { type FamilyName, findConfigIn } from '../../models/index.js';
import {
  type ImportedRun,
  overlayOwnKeys,
  refuseOwnKeys,
  type TrainInput,
  valueAt,
} from '../imported-run.js';
import { type IgnoredKey, isMapping, sortKeys } from '../key-tree.js';
import { datasetWarnings } from './dataset-section.js';
import { type PublishedGeneration, readGeneration } from './generation-section.js';
import { ineffectiveKeys } from './ineffective-keys.js';
import { missingValues } from './missing-values.js';
import { dropoutsOf, readModelSection } from './model-section.js';
import { layoutWarnings, type PublishedLayout, readLayout } from './parallel-layout.js';
import { callbackKeys, datasetKeys, evaluationKeys, publishedKeys } from './published-keys.js';
import { publishedRunSchema, type RunMode, runtimeModelSchema } from './published-schema.js';
import { checkpointsOf, definedDataset, evaluationOf, loraOf } from './run-sections.js';
import { readTraining } from './training-section.js';

export interface PublishedRun extends ImportedRun {
  readonly runMode: RunMode;
  readonly model: {
    readonly family: FamilyName;
    /** trainer.model_name. */
    readonly name: string | undefined;
    /** As parseArchitecture takes it. */
    readonly config: unknown;
    /** load_checkpoint, else checkpoint_name_or_path. */
    readonly weights: string | undefined;
    readonly tokenizer: string | undefined;
  };
  readonly generation: PublishedGeneration;
  readonly parallel: PublishedLayout;
  /** Steps of the published schedule where they are not the run's. */
  readonly scheduleSteps: number | undefined;
  /** resume_training: go on from the last checkpoint, or from the named one. */
  readonly resume: boolean | string;
}

/** Keys that only such files have. */
const MARKS = ['runner_config', 'run_mode', 'lr_schedule', 'parallel_config', 'train_dataset', 'trainer'];

/** True for a configuration of the published kind. */
export function isPublishedRun(value: unknown): boolean {
  return (
    isMapping(value) && MARKS.some((key) => Object.hasOwn(value, key)) && !Object.hasOwn(value, 'training')
  );
}

/**
 * @param from path of a .yaml or .json file, or what is in it
 * @param overrides key=value with published keys; keys of ours with `xinghe.` before them
 * @throws InputError naming file and key
 */
export function loadPublishedRun(from: unknown, overrides: readonly string[] = []): PublishedRun {
  const source = typeof from === 'string' ? from : 'the published run';
  refuseOwnKeys(overrides, Object.keys(publishedKeys));
  const read = typeof from === 'string' ? readYaml11File(from) : { value: from, notes: [] };
  const value = applyOverrides(read.value, overrides);
  const ignored = sortAllKeys(value, source);
  const file = parseConfig(publishedRunSchema, value, { source });
  const section = file.model.model_config;
  const runtime = parseConfig(runtimeModelSchema, section, { source: `${source}: model.model_config` });
  const model = readModelSection(section, source);
  const layout = readLayout(file, runtime);
  const training = readTraining(file, runtime, layout);
  const weights = filled(file.load_checkpoint) ?? filled(runtime.checkpoint_name_or_path);
  const { tokenizer: files } = file.processor;
  const tokenizer = filled(file.tokenizer_file) ?? filled(files.vocab_file) ?? filled(files.tokenizer_file);
  const lora = loraOf(runtime, source);
  const train: TrainInput = {
    output: file.output_dir,
    seed: file.seed,
    device: file.context.device_target === 'GPU' ? 'cuda' : 'cpu',
    model: {
      ...startOf(weights, file.xinghe, model.config),
      ...(tokenizer !== undefined && { tokenizer }),
    },
    data: {
      ...definedDataset(file.train_dataset),
      shuffle: typeof file.train_dataset === 'string' ? true : file.train_dataset.data_loader.shuffle,
      document_attention: runtime.eod_reset,
    },
    ...(lora !== undefined && { lora }),
    ...evaluationOf(file, runtime),
    training: training.training,
    ...checkpointsOf(file),
  };
  const overlaid = overlayOwnKeys(train, file.xinghe);
  const total = file.lr_schedule?.total_steps ?? -1;
  return {
    runMode: file.run_mode,
    train: overlaid,
    model: {
      family: model.architecture.family,
      name: file.trainer.model_name,
      config: model.config,
      weights,
      tokenizer,
    },
    generation: readGeneration(file, runtime, model.architecture.family),
    parallel: layout,
    scheduleSteps: total > 0 ? total : undefined,
    resume: file.resume ?? (file.resume_training === '' ? false : file.resume_training),
    ignored: [...ignored, ...model.ignored, ...ineffectiveKeys(value, file, runtime)],
    warnings: [
      ...read.notes,
      ...layoutWarnings(layout),
      ...training.warnings,
      ...(file.do_eval && file.eval_step_interval < 0
        ? [
            `eval_epoch_interval ${file.eval_epoch_interval}: evaluations go by steps here, 200 apart; --set eval_step_interval=N.`,
          ]
        : []),
      ...datasetWarnings(file, model.architecture.family),
      ...dropoutsOf(section),
    ],
    missing: missingValues(
      file.run_mode,
      overlaid,
      model.architecture.family,
      valueAt(file.xinghe, 'model', 'config') !== undefined,
    ),
  };
}

/**
 * Weights to start from, or the config of a new model. MindSpore's own folders hold weights alone: the run file's model_config
 * is their config.
 */
function startOf(
  weights: string | undefined,
  own: unknown,
  config: TrainInput['model']['config'],
): TrainInput['model'] {
  const ownPath = valueAt(own, 'model', 'path');
  const path = typeof ownPath === 'string' ? ownPath : ownPath === null ? undefined : weights;
  if (path === undefined) return valueAt(own, 'model', 'config') === undefined ? { config } : {};
  const isNamed = valueAt(own, 'model', 'path_config') !== undefined;
  return isNamed || holdsConfig(path) ? { path } : { path, path_config: config };
}

/** True too for what is not there: it is named when it is opened. */
function holdsConfig(path: string): boolean {
  const status = fileStatus(path);
  if (status === undefined || /\.gguf$/i.test(path)) return true;
  return findConfigIn(status.isDirectory() ? path : dirname(path)) !== undefined;
}

/** All sections, those that go by their type too. */
function sortAllKeys(value: unknown, source: string): IgnoredKey[] {
  const ignored = sortKeys(value, publishedKeys, source);
  for (const [key, tree] of [
    ['train_dataset', datasetKeys],
    ['eval_dataset', evaluationKeys],
  ] as const) {
    const dataset = valueAt(value, key);
    if (isMapping(dataset)) ignored.push(...prefixed(key, sortKeys(dataset, tree, `${source}: ${key}`)));
  }
  const callbacks = valueAt(value, 'callbacks');
  if (!Array.isArray(callbacks)) return ignored;
  for (const [index, callback] of callbacks.entries()) {
    const type = valueAt(callback, 'type');
    const keys =
      typeof type === 'string' && Object.hasOwn(callbackKeys, type) ? callbackKeys[type] : undefined;
    // A type that nobody knows is the schema's to tell.
    if (keys === undefined) continue;
    const location = `callbacks.${index}`;
    ignored.push(...prefixed(location, sortKeys(callback, keys, `${source}: ${location}`)));
  }
  return ignored;
}

function prefixed(section: string, ignored: readonly IgnoredKey[]): IgnoredKey[] {
  return ignored.map(({ key, reason }) => ({ key: `${section}.${key}`, reason }));
}

/** The text, unless it is empty: published files leave values to their users so. */
function filled(value: string | null | undefined): string | undefined {
  return value === null || value === '' ? undefined : value;
}
