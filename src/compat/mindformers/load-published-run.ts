/**
 * The run files of iFlytekSpark and of TeleChat's MindFormers release as our configuration. What has a meaning here is mapped,
 * the rest is listed with its reason (published-keys.ts), and an unknown key is an error.
 */
import { dirname } from 'node:path';
import { applyOverrides, parseConfig, readYaml11File } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
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
import { type PublishedLayout, readLayout, shareLayout } from './parallel-layout.js';
import { callbackKeys, datasetKeys, evaluationKeys, publishedKeys } from './published-keys.js';
import {
  type PublishedRunFile,
  publishedRunSchema,
  type RunMode,
  type RuntimeModelSection,
  runtimeModelSchema,
} from './published-schema.js';
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
    /** Config of the weights where none lies beside them: model.model_config, or the path of another. */
    readonly configOfWeights: unknown;
    /** checkpoint_name_or_path: the model of an adapter that load_checkpoint names. */
    readonly base: string | undefined;
    readonly tokenizer: string | undefined;
    /** compute_type: what a model that is not trained computes in; undefined: as the weights are. */
    readonly dtype: 'float32' | 'float16' | 'bfloat16' | undefined;
    /** pet_config: the scale of LoRA matrices among the weights. */
    readonly lora: { readonly rank: number; readonly alpha: number } | undefined;
    readonly device: string;
  };
  /** mindir_save_dir. */
  readonly exportFolder: string | undefined;
  readonly generation: PublishedGeneration;
  readonly parallel: PublishedLayout;
  /** Steps of the published schedule where they are not the run's. */
  readonly scheduleSteps: number | undefined;
  /** resume_training: go on from the last checkpoint, or from the named one. */
  readonly resume: boolean | string;
}

export interface PublishedRunOptions {
  /** Published keys of the top with their values, laid over the file and the overrides: options of the run entry. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Processes that share the run. Default 1. */
  readonly ranks?: number | undefined;
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
export function loadPublishedRun(
  from: unknown,
  overrides: readonly string[] = [],
  { values = {}, ranks = 1 }: PublishedRunOptions = {},
): PublishedRun {
  const source = typeof from === 'string' ? from : 'the published run';
  refuseOwnKeys(overrides, Object.keys(publishedKeys));
  const read = typeof from === 'string' ? readYaml11File(from) : { value: from, notes: [] };
  const value = layValues(applyOverrides(read.value, overrides), values, source);
  const ignored = sortAllKeys(value, source);
  const file = parseConfig(publishedRunSchema, value, { source });
  const section = file.model.model_config;
  const runtime = parseConfig(runtimeModelSchema, section, { source: `${source}: model.model_config` });
  const model = readModelSection(section, source);
  const layout = readLayout(file, runtime);
  const shared = shareLayout(layout, ranks, valueAt(file.xinghe, 'parallel'), source);
  const training = readTraining(file, runtime, layout, shared);
  const weights = filled(file.load_checkpoint) ?? filled(runtime.checkpoint_name_or_path);
  const { tokenizer: files } = file.processor;
  const tokenizer = filled(file.tokenizer_file) ?? filled(files.vocab_file) ?? filled(files.tokenizer_file);
  const lora = loraOf(runtime, source);
  const start = startOf(weights, file.xinghe, model.config);
  const train: TrainInput = {
    output: file.output_dir,
    seed: file.seed,
    device: deviceOf(file),
    model: {
      ...start,
      ...(tokenizer !== undefined && { tokenizer }),
    },
    ...rowsOf(file, runtime),
    ...(lora !== undefined && { lora }),
    training: training.training,
    ...checkpointsOf(file),
  };
  const overlaid = overlayOwnKeys(
    { ...train, ...(shared.parallel !== undefined && { parallel: shared.parallel }) },
    file.xinghe,
  );
  refuseOtherMetrics(file, source);
  const total = file.lr_schedule?.total_steps ?? -1;
  return {
    runMode: file.run_mode,
    train: overlaid,
    model: {
      family: model.architecture.family,
      name: file.trainer.model_name,
      config: model.config,
      weights: ownText(overlaid, 'model', 'path'),
      configOfWeights: valueAt(overlaid, 'model', 'path_config'),
      base: filled(runtime.checkpoint_name_or_path),
      tokenizer: ownText(overlaid, 'model', 'tokenizer'),
      dtype: runtime.compute_type ?? runtime.compute_dtype,
      lora:
        lora?.rank === undefined || lora.alpha === undefined
          ? undefined
          : { rank: lora.rank, alpha: lora.alpha },
      device: ownText(overlaid, 'device') ?? 'cpu',
    },
    exportFolder: filled(file.mindir_save_dir),
    generation: readGeneration(file, runtime, model.architecture.family),
    parallel: layout,
    scheduleSteps: total > 0 ? total : undefined,
    resume: file.resume ?? (file.resume_training === '' ? false : file.resume_training),
    ignored: withoutParts([...ignored, ...model.ignored, ...ineffectiveKeys(value, file, runtime)]),
    warnings: [
      ...read.notes,
      ...shared.warnings,
      ...training.warnings,
      ...(file.do_eval && file.eval_step_interval < 0
        ? [
            `eval_epoch_interval ${file.eval_epoch_interval}: evaluations go by steps here, 200 apart; --set eval_step_interval=N.`,
          ]
        : []),
      ...datasetWarnings(file, model.architecture.family),
      ...dropoutsOf(section),
    ],
    missing: missingValues(file, overlaid, model.architecture.family),
  };
}

/** Of a dataset that the run entry names, the path takes the place of that in the section. */
const DATASETS: readonly string[] = ['train_dataset', 'eval_dataset'];

function layValues(value: unknown, values: Readonly<Record<string, unknown>>, source: string): unknown {
  const given = Object.entries(values);
  if (given.length === 0) return value;
  if (!isMapping(value))
    throw new InputError(`${source}: expected a mapping, got ${JSON.stringify(value) ?? 'nothing'}.`);
  const laid = given.map(([key, content]): [string, unknown] => {
    const section = value[key];
    if (!DATASETS.includes(key) || !isMapping(section)) return [key, content];
    const { dataset_files: _, ...loader } = Object(section.data_loader);
    return [key, { ...section, data_loader: { ...loader, dataset_dir: content } }];
  });
  return { ...value, ...Object.fromEntries(laid) };
}

function deviceOf({ context, device_id: id = context.device_id }: PublishedRunFile): string {
  if (context.device_target !== 'GPU') return 'cpu';
  return id === undefined || id === 0 ? 'cuda' : `cuda:${id}`;
}

/** What is learned, and what is measured beside it; of run_mode eval what is measured alone. */
function rowsOf(
  file: PublishedRunFile,
  runtime: RuntimeModelSection,
): Pick<TrainInput, 'data' | 'evaluation'> {
  const { train_dataset: dataset, eval_dataset: held } = file;
  const document_attention = runtime.eod_reset;
  if (file.run_mode === 'eval')
    return { data: { ...definedDataset(held), shuffle: false, document_attention } };
  return {
    data: {
      ...definedDataset(dataset),
      shuffle: typeof dataset === 'string' ? true : dataset.data_loader.shuffle,
      document_attention,
    },
    ...evaluationOf(file, runtime),
  };
}

function refuseOtherMetrics({ run_mode: mode, metric }: PublishedRunFile, source: string): void {
  const type = valueAt(metric, 'type');
  if (mode !== 'eval' || type === undefined || type === 'PerplexityMetric') return;
  throw new InputError(
    `${source}: metric.type: expected "PerplexityMetric", got ${JSON.stringify(type)}; other measures are sets of xinghe evaluate.`,
  );
}

/** A section that has no effect is named as a whole. */
function withoutParts(ignored: readonly IgnoredKey[]): IgnoredKey[] {
  const keys = new Set(ignored.map(({ key }) => key));
  const isPart = (key: string): boolean => {
    const names = key.split('.');
    return names.some((_, depth) => depth > 0 && keys.has(names.slice(0, depth).join('.')));
  };
  return ignored.filter(({ key }) => !isPart(key));
}

function ownText(train: unknown, ...path: readonly string[]): string | undefined {
  const value = valueAt(train, ...path);
  return typeof value === 'string' ? value : undefined;
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
