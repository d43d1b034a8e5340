/** `xinghe plan`: memory and time of a run before it is started. */
import { loadTrainingConfig } from '../compat/index.js';
import { openDataset } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import { TASKS_CACHE_BYTES } from '../library/index.js';
import { formatBytes, formatCount, formatDuration, log } from '../log/index.js';
import {
  type Architecture,
  checkTensorSplit,
  configValue,
  loadArchitecture,
  loadModelArchitecture,
  parseArchitecture,
} from '../models/index.js';
import { emulatesBfloat16, linearRoute, measureGemm, prepareRuntime } from '../tensor/index.js';
import {
  availableBytes,
  computeDType,
  EFFICIENCY,
  layoutText,
  type PlanOptions,
  PRECISIONS,
  planLayouts,
  planRun,
  type RankLayout,
  type RunPlan,
  ranksOf,
  residentBytes,
  rowsVary,
  sequencesPerRow,
  type TrainConfig,
} from '../training/index.js';
import { parseByteSize } from './byte-size.js';
import { hubOptions, placed } from './hub-options.js';
import { EXIT_BAD_INPUT, type OptionValues, parseOptions } from './options.js';
import { reportLayouts } from './plan-layouts.js';

const specs = {
  config: { kind: 'string', value: 'FILE', help: 'the configuration of a run, as xinghe train takes it' },
  set: { kind: 'strings', value: 'key=value…', help: 'override any key of it' },
  ...hubOptions,
  model: { kind: 'string', value: 'DIR', place: 'model', help: 'or a model folder; only its config is read' },
  'config-json': {
    kind: 'string',
    value: 'FILE',
    help: "or a model's config file alone; with --config in the place of weights that are not here",
  },
  'sequence-length': { kind: 'integer', min: 1, help: 'predictions in a row; default 1024' },
  'micro-batch-size': { kind: 'integer', min: 1, help: 'rows; default 4' },
  'gradient-accumulation-steps': { kind: 'integer', min: 1, help: 'micro-batches of a step; default 1' },
  precision: { kind: 'string', allowedValues: PRECISIONS, help: 'default float32' },
  recompute: { kind: 'string', value: 'none|full|N', help: 'all blocks again, or every N-th; default none' },
  'lora-rank': { kind: 'integer', min: 1, help: 'train adapters of this rank instead of the weights' },
  'lora-target': {
    kind: 'strings',
    value: 'NAME…',
    help: 'parts of names of the adapted layers; default: all of the blocks',
  },
  'offload-optimizer': { kind: 'flag', help: 'masters and moments in host memory beside an accelerator' },
  'cache-tokens': {
    kind: 'integer',
    min: 1,
    help: 'tokens of the KV cache in generation; default: the length',
  },
  'peak-gflops': { kind: 'number', min: 0, help: 'speed of matrix products; default: measured here' },
  'memory-gb': { kind: 'number', min: 0, help: 'memory to fit into; default: what is free here' },
  layout: {
    kind: 'string',
    allowedValues: ['auto'],
    help: 'list what --devices can share the run as, the fastest that fits first',
  },
  devices: {
    kind: 'integer',
    min: 1,
    value: 'N',
    help: 'ranks; default: as parallel of the configuration says, else 1',
  },
  'device-memory': { kind: 'string', value: 'SIZE', help: 'of each device, e.g. 64GB; default: --memory-gb' },
  bandwidth: {
    kind: 'string',
    value: 'SIZE',
    help: 'a second, from rank to rank, e.g. 25GB; default: sending takes no time',
  },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  json: { kind: 'flag', help: 'print the plan as JSON on stdout' },
} as const;

type Options = OptionValues<typeof specs>;
type Run = Omit<
  PlanOptions,
  'startBytes' | 'peakFlopsPerSecond' | 'copiesTransposed' | 'emulatesBfloat16' | 'cacheTokens' | 'bandwidth'
>;

export async function plan(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe plan',
        summary: 'memory and time of a training run before it is started',
        notes:
          'The exit code is 0 for a run that fits, 2 for one that does not (the plan is printed all the same).',
      },
      specs,
      args,
    ),
  );
  const { architecture, run } = readSource(options);
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const startBytes = residentBytes();
  const peak = options['peak-gflops'] ?? measureGemm(computeDType(run.precision));
  const { bandwidth } = options;
  const planOptions = {
    ...run,
    bandwidth: bandwidth === undefined ? undefined : parseByteSize('--bandwidth', bandwidth),
    cacheTokens: options['cache-tokens'],
    copiesTransposed: run.precision === 'float32' && linearRoute().gradWeight,
    emulatesBfloat16: computeDType(run.precision) === 'bfloat16' && emulatesBfloat16(),
    peakFlopsPerSecond: peak * 1e9,
    startBytes,
  };
  const available = memoryOf(options);
  if (options.layout === 'auto') {
    const { devices = 1 } = options;
    const search = { devices, deviceMemory: available };
    return reportLayouts(
      architecture,
      planLayouts(architecture, planOptions, search),
      available,
      options.json,
    );
  }
  const found = planRun(architecture, planOptions);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(asJson(found, available, peak))}\n`
      : describe(architecture, found, run, available, peak),
  );
  if (found.peakBytes <= available) return 0;
  log('xinghe plan: the run does not fit; the exit code is 2');
  return EXIT_BAD_INPUT;
}

/** Of a device; of this machine, where the run is one process. */
function memoryOf(options: Options): number {
  const { 'device-memory': device, 'memory-gb': gigabytes } = options;
  if (device !== undefined) return parseByteSize('--device-memory', device);
  return gigabytes === undefined ? availableBytes() : gigabytes * 1e9;
}

/** @throws InputError where the ranks are no multiple of `tensor`, or cannot share the model */
function layoutOf({ parallel }: Pick<TrainConfig, 'parallel'>, devices: number | undefined): RankLayout {
  const { zero, tensor, sequence } = parallel;
  const data = parallel.data ?? (devices === undefined ? 1 : devices / tensor);
  if (!Number.isInteger(data) || (devices !== undefined && data * tensor !== devices))
    throw new InputError(
      `xinghe plan: --devices ${devices}: parallel.data ${parallel.data ?? '(what is left)'} x parallel.tensor ${tensor} are another number.`,
    );
  return { data, zero, tensor, sequence };
}

/** Model and settings: of a run's configuration, or of a model with the options; an option given overrides. */
function readSource(options: Options): { architecture: Architecture; run: Run } {
  const { config, model, 'config-json': configJson } = options;
  const given = [config, model, configJson].filter((value) => value !== undefined);
  const isRunOfOtherModel = config !== undefined && configJson !== undefined && model === undefined;
  if (given.length !== 1 && !isRunOfOtherModel)
    throw new InputError(
      `xinghe plan: give one of --config, --model and --config-json, got ${given.length} ` +
        '(--config may have --config-json beside it; see xinghe plan --help)',
    );
  if (config === undefined) {
    if (options.set.length > 0)
      throw new InputError('xinghe plan: --set overrides keys of --config; none is given');
    const architecture =
      model === undefined ? loadArchitecture(configJson ?? '') : loadModelArchitecture(model);
    const run = withOptions(DEFAULTS, options);
    // Without a configuration the devices take the rows.
    const layout = { data: options.devices ?? 1, zero: 0, tensor: 1, sequence: false } as const;
    return { architecture, run: options.layout === 'auto' ? run : { ...run, layout } };
  }
  const { config: parsed, notes } = loadTrainingConfig(config, options.set);
  for (const note of notes) log(note);
  if (parsed.evaluation?.tasks !== undefined)
    log(
      `evaluation.tasks: up to ${formatBytes(TASKS_CACHE_BYTES)} of keys and values while tasks are measured, between steps`,
    );
  const architecture = configJson === undefined ? architectureOf(parsed) : loadArchitecture(configJson);
  const run = withOptions(runOf(parsed, options['sequence-length']), options);
  if (options.layout === 'auto') return { architecture, run };
  const layout = layoutOf(parsed, options.devices);
  if (layout.tensor > 1) checkTensorSplit(architecture, layout.tensor, `parallel.tensor is ${layout.tensor}`);
  return { architecture, run: { ...run, layout } };
}

const DEFAULTS: Run = {
  precision: 'float32',
  length: 1024,
  microBatchSize: 4,
  accumulation: 1,
  recompute: 'none',
};

function architectureOf({ model: { path, path_config: ofPath, config } }: TrainConfig): Architecture {
  const given = ofPath ?? config;
  if (given !== undefined)
    return typeof given === 'string' ? loadArchitecture(given) : parseArchitecture(given, 'model.config');
  if (path !== undefined) {
    if (fileStatus(path) === undefined)
      throw new InputError(
        `model.path: ${path} does not exist; a plan needs the shape of the model only: give its config with ` +
          '--config-json FILE (beside --config), or --set model.path=null model.config=FILE.',
      );
    return loadModelArchitecture(path);
  }
  return parseArchitecture({}, 'model.config');
}

/** @param length as the command line says it: then nobody need look into the rows */
function runOf({ data, training, lora }: TrainConfig, length: number | undefined): Run {
  return {
    precision: training.precision ?? 'float32',
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
  };
}

/** Its weights have the dtype of its config, float32 where that says none. */
function teacherOf(path: string): NonNullable<Run['teacher']> {
  const architecture = loadModelArchitecture(path);
  const dtype =
    configValue(architecture.publishedConfig, 'dtype') ??
    configValue(architecture.publishedConfig, 'torch_dtype');
  const bytes = dtype === 'bfloat16' || dtype === 'float16' ? 2 : dtype === 'float64' ? 8 : 4;
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

function withOptions(run: Run, options: Options): Run {
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

function readRecompute(text: string): Run['recompute'] {
  if (text === 'none' || text === 'full') return text;
  if (/^[1-9]\d{0,5}$/.test(text)) return { every: Number(text) };
  throw new InputError(`xinghe plan: --recompute is "${text}"; give none, full or a number of blocks`);
}

/** Of a mixture of experts, how much of it computes a token. */
function activeText({ elements, activeElements }: RunPlan['model']): string {
  return activeElements === elements ? '' : `${formatCount(activeElements)} of them active for a token, `;
}

function asJson(found: RunPlan, available: number, peakGflops: number): unknown {
  const { model, memory, secondsPerStep, tokensPerStep } = found;
  return {
    parameters: model.elements,
    active_parameters: model.activeElements,
    trained_parameters: found.trainedElements,
    peak_bytes: found.peakBytes,
    tensor_bytes: memory.total,
    weights: memory.weights,
    master_weights: memory.masters,
    optimizer_state: memory.moments,
    gradients: memory.gradients,
    activations: memory.activations,
    working: memory.working,
    inputs: memory.inputs,
    buffers: memory.buffers,
    layout: found.layout,
    ranks: ranksOf(found.layout),
    communication: { data: found.communication.data, tensor: found.communication.tensor },
    teacher: memory.teacher,
    process: found.processBytes,
    host_bytes: memory.host,
    fullest_phase: memory.phase,
    kv_cache: found.cacheBytes,
    available_bytes: available,
    fits: found.peakBytes <= available,
    flops_per_token: found.flopsPerToken,
    peak_gflops: peakGflops,
    tokens_per_step: tokensPerStep,
    seconds_per_step: secondsPerStep,
    tokens_per_second: secondsPerStep === undefined ? undefined : tokensPerStep / secondsPerStep,
  };
}

/** In a smaller model activations outweigh the rest, and its figure for a billion parameters holds for no large one. */
const MIN_RATED_PARAMETERS = 1e8;

function describe(
  { family }: Architecture,
  found: RunPlan,
  run: Run,
  available: number,
  peakGflops: number,
): string {
  const { model, memory, secondsPerStep = 0, tokensPerStep } = found;
  const offloaded = memory.host > 0;
  const rows: [string, number, string?][] = [
    ['weights', memory.weights],
    ...(memory.masters > 0 && !offloaded ? [['master weights', memory.masters] as [string, number]] : []),
    ...(offloaded ? [] : [['optimiser state', memory.moments] as [string, number]]),
    ['gradients', memory.gradients],
    ['activations', memory.activations, 'kept for the backward pass'],
    ['working', memory.working, `${memory.phase}, the fullest phase`],
    ...(memory.teacher > 0
      ? [['teacher', memory.teacher, 'its weights, and what its head is given'] as [string, number, string]]
      : []),
    ['inputs', memory.inputs, 'ids, masks, rotary tables'],
    ...(memory.buffers > 0
      ? [['buffers', memory.buffers, 'of what is gathered'] as [string, number, string]]
      : []),
    ['program', found.processBytes, 'libraries and their buffers'],
    ['peak', found.peakBytes, fitText(found, available, run)],
  ];
  const table = rows.map(
    ([name, bytes, note]) =>
      `  ${name.padEnd(16)} ${formatBytes(bytes).padStart(9)}${note === undefined ? '' : `  ${note}`}`,
  );
  return [
    `${family}, ${formatCount(model.elements)} parameters, ${activeText(model)}${formatCount(found.trainedElements)} trained, ${run.precision}; ` +
      `${run.microBatchSize} rows of ${sequencesPerRow(run.loss) === 2 ? '2 sequences, each of ' : ''}${run.length} tokens, ${run.accumulation ?? 1} micro-batch${(run.accumulation ?? 1) === 1 ? '' : 'es'} a step`,
    ...table,
    ...rankLines(found),
    ...(offloaded ? [`  on the host: ${formatBytes(memory.host)} of masters and optimiser state`] : []),
    ...(model.elements < MIN_RATED_PARAMETERS
      ? []
      : [`  ${(memory.total / model.elements).toPrecision(3)} GB for each billion parameters`]),
    `  KV cache of one sequence in generation: ${formatBytes(found.cacheBytes)}`,
    `${formatCount(found.flopsPerToken)} operations a token; at ${Math.round(100 * EFFICIENCY[run.precision])} % of ${formatSpeed(peakGflops)}: ` +
      `${secondsPerStep < 10 ? `${secondsPerStep.toPrecision(3)} s` : formatDuration(secondsPerStep)} a step of ${tokensPerStep} tokens, ${formatCount(tokensPerStep / Math.max(secondsPerStep, 1e-9))} tokens/s`,
    '',
  ].join('\n');
}

function rankLines({ layout, communication: { data, tensor } }: RunPlan): string[] {
  const ranks = ranksOf(layout);
  if (ranks === 1) return [];
  return [
    `  of each of ${ranks} ranks (${layoutText(layout)}); it sends ${formatBytes(data + tensor)} a step: ${formatBytes(data)} of gradients and ` +
      `parameters, ${formatBytes(tensor)} within layers`,
  ];
}

function fitText({ peakBytes, memory, processBytes }: RunPlan, available: number, run: Run): string {
  if (peakBytes <= available) return `fits into the ${formatBytes(available)} that are free`;
  const needed = memory.weights + processBytes;
  const problem = `DOES NOT FIT into the ${formatBytes(available)} that are free`;
  // Smaller batches and recomputed activations are no help then.
  if (needed > available) {
    const halved = run.precision === 'float32' ? 2 : run.precision === 'float64' ? 4 : 1;
    const lower = memory.weights / halved + processBytes <= available && halved > 1;
    return (
      `${problem}: the weights alone take ${formatBytes(memory.weights)}; ` +
      (lower
        ? 'try --precision bfloat16'
        : `take a machine or device with more than ${formatBytes(needed)}, or a smaller model`)
    );
  }
  const ways = [
    ...(run.recompute === 'full' ? [] : ['--recompute full']),
    ...(run.microBatchSize > 1 ? ['a smaller --micro-batch-size'] : []),
    ...(run.lora === undefined ? ['--lora-rank 8'] : []),
    ...(run.precision === 'bfloat16' ? [] : ['--precision bfloat16']),
  ];
  const hint = ways.length === 0 ? 'take a shorter --sequence-length' : `try ${ways.join(', ')}`;
  return `${problem}; ${hint}`;
}

/** 4.0e5 GFLOP/s -> "400 TFLOP/s". */
function formatSpeed(gflops: number): string {
  return gflops >= 1000
    ? `${Number((gflops / 1000).toPrecision(3))} TFLOP/s`
    : `${Number(gflops.toPrecision(3))} GFLOP/s`;
}
