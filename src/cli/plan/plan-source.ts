/** What `xinghe plan` is asked about: model and settings, of a run's configuration or of options. */
import { loadTrainingConfig } from '../../compat/index.js';
import { applyOverrides, parseConfig } from '../../config/index.js';
import { openDataset } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder } from '../../formats/index.js';
import { TASKS_CACHE_BYTES } from '../../library/index.js';
import { formatBytes, log } from '../../log/index.js';
import {
  type Architecture,
  dtypeOfConfig,
  loadArchitecture,
  loadModelArchitecture,
  parseArchitecture,
  weightsOfFiles,
  weightsOnceQuantized,
} from '../../models/index.js';
import { byteWidth, type FloatDType } from '../../tensor/index.js';
import {
  checkModelSplit,
  computeDType,
  layoutOfSection,
  needsWhole,
  type ParallelConfig,
  type PlanOptions,
  type Precision,
  parallelSchema,
  type RankLayout,
  rowsVary,
  type TrainConfig,
} from '../../training/index.js';
import { parseGroupSize } from '../group-size.js';
import type { PlanCliOptions } from './plan-options.js';

export type PlannedRunSettings = Omit<
  PlanOptions,
  'startBytes' | 'peakFlopsPerSecond' | 'copiesTransposed' | 'emulatesBfloat16' | 'cacheTokens' | 'bandwidth'
>;

/** The model that a plan is of. */
export interface PlanSource {
  readonly architecture: Architecture;
  /** A folder or file with weights; undefined: there is none here. */
  readonly weights: string | undefined;
}

const DEFAULTS: PlannedRunSettings = {
  precision: 'float32',
  length: 1024,
  microBatchSize: 4,
  accumulation: 1,
  recompute: 'none',
};

/** @throws InputError for options that contradict one another, and for a layout that does not fit model or devices */
export function readTrainingPlan(options: PlanCliOptions): {
  readonly architecture: Architecture;
  readonly run: PlannedRunSettings;
} {
  checkSource(options);
  const { config } = options;
  if (config === undefined) {
    const source = modelOfOptions(options);
    const run = withIntegers(withOptions(DEFAULTS, options), source, options);
    return withLayout(source.architecture, run, undefined, options);
  }
  const { config: parsed, notes } = loadTrainingConfig(config, options.set, { ranks: options.devices });
  for (const note of notes) log(note);
  if (parsed.evaluation?.tasks !== undefined)
    log(
      `evaluation.tasks: up to ${formatBytes(TASKS_CACHE_BYTES)} of keys and values while tasks are measured, between steps`,
    );
  const source = modelOfRun(parsed, options);
  const run = withOptions(runOf(parsed, source, options), options);
  return withLayout(source.architecture, withIntegers(run, source, options), parsed.parallel, options);
}

/** The model for generation. */
export function readModelSource(options: PlanCliOptions): PlanSource {
  checkSource(options);
  if (options.config === undefined) return modelOfOptions(options);
  const { config } = loadTrainingConfig(options.config, options.set, { ranks: options.devices });
  return modelOfRun(config, options);
}

function checkSource({ config, model, 'config-json': configJson, set }: PlanCliOptions): void {
  const given = [config, model, configJson].filter((value) => value !== undefined);
  const isRunOfOtherModel = config !== undefined && configJson !== undefined && model === undefined;
  if (given.length !== 1 && !isRunOfOtherModel)
    throw new InputError(
      `xinghe plan: give one of --config, --model and --config-json, got ${given.length} ` +
        '(--config may have --config-json beside it; see xinghe plan --help)',
    );
  if (config === undefined && set.length > 0)
    throw new InputError('xinghe plan: --set overrides keys of --config; none is given');
}

function modelOfOptions({ model, 'config-json': configJson }: PlanCliOptions): PlanSource {
  if (model === undefined) return { architecture: loadArchitecture(configJson ?? ''), weights: undefined };
  return {
    architecture: loadModelArchitecture(model),
    weights: holdsWeights(model) ? model : undefined,
  };
}

function modelOfRun(
  { model: { path, path_config: ofPath, config } }: TrainConfig,
  { 'config-json': configJson }: PlanCliOptions,
): PlanSource {
  const weights = path !== undefined && holdsWeights(path) ? path : undefined;
  if (configJson !== undefined) return { architecture: loadArchitecture(configJson), weights: undefined };
  const given = ofPath ?? config;
  if (given !== undefined) {
    const architecture =
      typeof given === 'string' ? loadArchitecture(given) : parseArchitecture(given, 'model.config');
    return { architecture, weights };
  }
  if (path === undefined) return { architecture: parseArchitecture({}, 'model.config'), weights };
  if (fileStatus(path) === undefined)
    throw new InputError(
      `model.path: ${path} does not exist; a plan needs the shape of the model only: give its config with ` +
        '--config-json FILE (beside --config), or --set model.path=null model.config=FILE.',
    );
  return { architecture: loadModelArchitecture(path), weights };
}

/** A config may lie in a folder of its own. */
function holdsWeights(path: string): boolean {
  const status = fileStatus(path);
  if (status === undefined) return false;
  if (!status.isDirectory()) return true;
  return listFolder(path).some((name) => /\.(safetensors|bin|ckpt|gguf|pt|pth)$|^rank_\d+$/.test(name));
}

/** @param length as the command line says it: then nobody need look into the rows */
function runOf(
  { data, training, lora, model }: TrainConfig,
  { architecture, weights }: PlanSource,
  { 'sequence-length': length }: PlanCliOptions,
): PlannedRunSettings {
  return {
    precision: training.precision ?? (weights === undefined ? 'float32' : precisionOf(weights, architecture)),
    // A row of a prepared dataset has one id more than it has predictions.
    length:
      length ??
      (data.dataset === undefined ? (data.sequence_length ?? DEFAULTS.length) : lengthOfRows(data.dataset)),
    loss: training.objective?.loss,
    teacher: training.objective?.loss === 'distillation' ? teacherOf(training.objective.teacher) : undefined,
    microBatchSize: training.micro_batch_size,
    accumulation: training.gradient_accumulation_steps,
    recompute: training.recompute,
    lora: lora === undefined ? undefined : { rank: lora.rank, targets: lora.target_modules },
    offloadOptimizer: training.offload.optimizer,
    rowsVary: rowsVary(data),
    beginning: needsWhole({ model, training, lora })
      ? 'whole'
      : model.path === undefined ||
          (weights !== undefined && isCast(weights, architecture, training.precision))
        ? 'part'
        : 'mapped',
  };
}

/** As the run computes where its configuration does not say. */
function precisionOf(weights: string, architecture: Architecture): Precision {
  const { dtype } = weightsOfFiles(weights, architecture);
  return dtype === 'float16' ? 'float16-mixed' : dtype;
}

function isCast(weights: string, architecture: Architecture, precision: Precision | undefined): boolean {
  return precision !== undefined && weightsOfFiles(weights, architecture).dtype !== computeDType(precision);
}

/** Its weights have the dtype of its config, float32 where that says none. */
function teacherOf(path: string): NonNullable<PlannedRunSettings['teacher']> {
  const architecture = loadModelArchitecture(path);
  const bytes = byteWidth(dtypeOfConfig(architecture));
  return { architecture, weightBytes: bytes * architecture.createModel().parameterCount() };
}

function lengthOfRows(dataset: string | readonly string[]): number {
  const missing = [dataset].flat().find((path) => fileStatus(path) === undefined);
  if (missing !== undefined)
    throw new InputError(
      `data.dataset: ${missing} does not exist; give the length of its rows with --sequence-length N, or prepare it first.`,
    );
  const rows = openDataset(dataset);
  try {
    return rows.rowLength - 1;
  } finally {
    rows.close();
  }
}

function withOptions(run: PlannedRunSettings, options: PlanCliOptions): PlannedRunSettings {
  const rank = options['lora-rank'] ?? run.lora?.rank;
  if (rank === undefined && options['lora-target'].length > 0)
    throw new InputError(
      'xinghe plan: --lora-target says which layers get adapters, and nothing asks for any; give --lora-rank N too',
    );
  const targets = options['lora-target'].length > 0 ? options['lora-target'] : (run.lora?.targets ?? ['']);
  return {
    ...run,
    precision: options.precision ?? run.precision,
    length: options['sequence-length'] ?? run.length,
    microBatchSize: options['micro-batch-size'] ?? run.microBatchSize,
    accumulation: options['gradient-accumulation-steps'] ?? run.accumulation ?? 1,
    recompute: options.recompute === undefined ? run.recompute : readRecompute(options.recompute),
    lora: rank === undefined ? undefined : { rank, targets },
    offloadOptimizer: options['offload-optimizer'] || run.offloadOptimizer === true,
  };
}

function readRecompute(text: string): PlannedRunSettings['recompute'] {
  if (text === 'none' || text === 'full') return text;
  if (/^[1-9]\d{0,5}$/.test(text)) return { every: Number(text) };
  throw new InputError(`xinghe plan: --recompute is "${text}"; give none, full or a number of blocks`);
}

/** Beside adapters weights stay integers, as their files have them or as --quantize would make them. */
function withIntegers(
  run: PlannedRunSettings,
  { architecture, weights }: PlanSource,
  options: PlanCliOptions,
): PlannedRunSettings {
  if (options.quantize !== undefined) {
    if (run.lora === undefined)
      throw new InputError(
        'xinghe plan: --quantize: integers are not trained; give --lora-rank N for adapters beside them, or --for generation',
      );
    const dtype: FloatDType = options.precision?.startsWith('bfloat16') === true ? 'bfloat16' : 'float32';
    return { ...run, integers: quantizedBy(options, architecture, dtype).integers };
  }
  refuseQuantizationOptions(options);
  if (run.lora === undefined || weights === undefined) return run;
  return { ...run, integers: weightsOfFiles(weights, architecture).integers };
}

/** @throws InputError for groups that do not divide a layer */
export function quantizedBy(
  { quantize, 'group-size': groupSize, ends }: PlanCliOptions,
  architecture: Architecture,
  dtype: FloatDType,
): ReturnType<typeof weightsOnceQuantized> {
  return weightsOnceQuantized(
    architecture,
    {
      bits: quantize === 'int8' ? 8 : 4,
      groupSize: parseGroupSize('xinghe plan', groupSize),
      ends: ends === undefined ? undefined : ends === 'int8' ? 8 : 4,
    },
    dtype,
  );
}

export function refuseQuantizationOptions(options: PlanCliOptions): void {
  const option = (['group-size', 'ends'] as const).find((name) => options[name] !== undefined);
  if (option !== undefined && options.quantize === undefined)
    throw new InputError(
      `xinghe plan: --${option} says how --quantize does it; give --quantize int4 or int8 too`,
    );
}

function withLayout(
  architecture: Architecture,
  run: PlannedRunSettings,
  ofRun: ParallelConfig | undefined,
  options: PlanCliOptions,
): { readonly architecture: Architecture; readonly run: PlannedRunSettings } {
  if (options.layout === 'auto') {
    if (options.parallel.length > 0)
      throw new InputError('xinghe plan: --layout auto looks for what --parallel says; give one of them');
    return { architecture, run };
  }
  const section = parseConfig(parallelSchema, applyOverrides(ofRun ?? {}, options.parallel), {
    source: 'xinghe plan --parallel',
  });
  checkModelSplit(architecture, section);
  return { architecture, run: { ...run, layout: layoutOf(section, options.devices) } };
}

/** @throws InputError where the ranks are no multiple of what shares one copy of the model */
function layoutOf(section: ParallelConfig, devices: number | undefined): RankLayout {
  const { tensor, pipeline, context } = section;
  const each = tensor * pipeline * context;
  const data = section.data ?? (devices === undefined ? 1 : devices / each);
  if (!Number.isInteger(data) || (devices !== undefined && data * each !== devices)) {
    const axes = { tensor, pipeline, context };
    const words = Object.entries(axes).flatMap(([axis, size]) =>
      size > 1 || axis === 'tensor' ? [`parallel.${axis} ${size}`] : [],
    );
    throw new InputError(
      `xinghe plan: --devices ${devices}: parallel.data ${section.data ?? '(what is left)'} x ${words.join(' x ')} are another number` +
        `${section.data === undefined ? `; give a multiple of ${each}` : ` (${section.data * each})`}.`,
    );
  }
  return layoutOfSection(section, data);
}
