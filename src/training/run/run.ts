/** A training run from its configuration to `final/`. */
import { basename, join } from 'node:path';
import { loadAdapter } from '../../checkpoint/index.js';
import { rankEnvironment } from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { generateText } from '../../generation/index.js';
import { log } from '../../log/index.js';
import { learningRateFactors } from '../../lora/index.js';
import { type LoadedModel, loadModelTokenizer, saveModel, tokenizerSource } from '../../models/index.js';
import { prepareRuntime, setLinearRoute } from '../../tensor/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { RunCheckpointStore } from '../checkpoints/run-checkpoint-store.js';
import { checkModelSplit, ranksOfModel } from '../parallel/check-layout.js';
import { RunRanks } from '../parallel/run-ranks.js';
import { residentBytes } from '../plan/process-memory.js';
import { collectGarbage, scriptBytes } from '../plan/script-memory.js';
import { metricsFile } from '../watch/metrics-file.js';
import { joinObservers, type RunObserver } from '../watch/observer.js';
import { progress } from '../watch/progress.js';
import { METRICS_FILE } from '../watch/run-files.js';
import { commandOfProcess, quoted, runRecord } from '../watch/run-record.js';
import { tensorBoard } from '../watch/tensor-board.js';
import { watchServer } from '../watch/watch-server.js';
import { type CheckpointedRun, findStart, RunCheckpointer, type RunStart } from './checkpointer.js';
import { estimateRun, type RunEstimate } from './estimate.js';
import { mergeAdapters } from './merge-adapters.js';
import {
  ADAPTER,
  CHECKPOINTS,
  FINAL,
  finishedRun,
  makeFolder,
  refuseOtherRun,
  removeIfEmpty,
} from './output-folder.js';
import { PeakMeter } from './peak-meter.js';
import { referencedRows } from './reference.js';
import { checkRun } from './run-checks.js';
import { hasRows, type TrainConfig } from './run-config.js';
import { lockRun } from './run-lock.js';
import { addAdapters, createRunModel, runArchitecture } from './run-model.js';
import { type RunRows, readRunRows } from './run-rows.js';
import { outliveHangUp } from './signal-watch.js';
import { type CreateTaskEvaluator, type TaskEvaluator, taskEvaluatorOf } from './task-evaluation.js';
import { loadTeacher } from './teacher.js';
import type { TrainingLoopOptions, TrainingResult } from './train-rows-options.js';
import { sayTrainedTemplate } from './trained-template.js';
import { runTrainingLoop } from './training-loop.js';

export interface RunOptions {
  /**
   * Go on from a checkpoint: this one, or the newest of the output folder (`auto`; without any the run begins anew, and a
   * finished one is left as it is). Default: a new run.
   */
  readonly resume?: string | undefined;
  /** Who measures evaluation.tasks. */
  readonly createTaskEvaluator?: CreateTaskEvaluator | undefined;
  /** Told of every step beside the files and the page; on rank 0 alone. */
  readonly observer?: RunObserver | undefined;
}

/**
 * Runs a whole configuration. With LoRA, `adapter/` and the checkpoints hold the adapter alone (a PEFT folder), and
 * `final/` the model with the adapter merged.
 * @throws InputError for whatever of it is wrong, before anything is written
 */
export async function runTraining(config: TrainConfig, options: RunOptions = {}): Promise<TrainingResult> {
  const ranks = joinRanks(config);
  try {
    // Rank 0 keeps the record, as it writes everything else.
    return ranks?.isFirst === false
      ? await runRecorded(config, options, undefined, ranks)
      : await runWithRecord(config, options, ranks);
  } finally {
    ranks?.leave();
  }
}

async function runWithRecord(
  config: TrainConfig,
  options: RunOptions,
  ranks: RunRanks | undefined,
): Promise<TrainingResult> {
  const record = runRecord(config.output, { config });
  try {
    const result = await runRecorded(config, options, record, ranks);
    record.end();
    return result;
  } catch (error) {
    record.end(error);
    throw error;
  }
}

/** The ranks that this process was started among; undefined for a process on its own. */
export function joinRanks(config: TrainConfig): RunRanks | undefined {
  const environment = rankEnvironment();
  const { parallel, threads } = config;
  if (environment === undefined || environment.size === 1) {
    const wanted = (parallel.data ?? 1) * ranksOfModel(parallel);
    const axis = (['tensor', 'pipeline', 'context', 'data'] as const).find((one) => (parallel[one] ?? 1) > 1);
    if (axis !== undefined)
      throw new InputError(
        `parallel.${axis} is ${parallel[axis]}, and this process is alone; start the ranks: xinghe launch --nproc ${wanted} -- train …`,
      );
    return undefined;
  }
  prepareRuntime(threads === undefined ? {} : { threads });
  return RunRanks.join(environment, parallel, JSON.stringify(config));
}

async function runRecorded(
  config: TrainConfig,
  { resume, createTaskEvaluator, observer }: RunOptions,
  record: RunObserver | undefined,
  ranks: RunRanks | undefined,
): Promise<TrainingResult> {
  const { output } = config;
  const store = new RunCheckpointStore(join(output, CHECKPOINTS), config.checkpoints, ranks);
  const ended = resume === 'auto' ? finishedRun(config, store) : undefined;
  if (ended !== undefined) return ended;
  const start = resume === undefined ? await refuseOtherRunOf(output, ranks) : findStart(store, resume);
  ranks?.world.agree('the checkpoint to go on from', start?.path ?? 'none');
  if (resume === 'auto' && start === undefined) log(`${output} has no checkpoint yet: the run begins anew`);
  const outlived = outliveHangUp();
  try {
    return await runFrom(config, store, start, { resume, createTaskEvaluator, observer, record, ranks });
  } finally {
    outlived();
  }
}

/** @param start undefined: from the beginning */
async function runFrom(
  config: TrainConfig,
  store: RunCheckpointStore,
  start: RunStart | undefined,
  {
    resume,
    createTaskEvaluator,
    observer,
    record,
    ranks,
  }: RunOptions & { readonly record: RunObserver | undefined; readonly ranks: RunRanks | undefined },
): Promise<TrainingResult> {
  const { output } = config;
  const run = await prepareRun(config, store, start, { ranks, createTaskEvaluator });
  ranks?.world.agree('the number of rows', String(run.data.rows.rowCount));
  const { made, unlock = () => {} } = (await firstOf(ranks, () => enterFolder(output))) ?? {};
  let watch: RunObserver | undefined;
  try {
    // Another run may have come and gone while this one was prepared.
    if (resume === undefined) await refuseOtherRunOf(output, ranks);
    if (ranks?.isFirst !== false)
      watch = joinObservers([record, observer, await openWatch(config)].filter((one) => one !== undefined));
    return await trainAndSave(run, watch);
  } catch (error) {
    await watch?.close();
    unlock();
    if (ranks?.isFirst !== false) removeIfEmpty(output, made);
    throw error;
  } finally {
    unlock();
    run.data.close();
    run.heldOut?.close();
    run.tasks?.dispose();
    run.loaded.model.dispose();
    run.teacher?.model.dispose();
  }
}

/** Everything of a run before its first step. */
export interface PreparedRun extends CheckpointedRun {
  readonly tokenizer: Tokenizer;
  readonly heldOut: RunRows | undefined;
  readonly estimate: RunEstimate;
  /** Of distillation. */
  readonly teacher: LoadedModel | undefined;
  /** Of evaluation.tasks. */
  readonly tasks: TaskEvaluator | undefined;
}

/** On rank 0 alone, where there are several. */
async function firstOf<Result>(
  ranks: RunRanks | undefined,
  body: () => Result | Promise<Result>,
): Promise<Result | undefined> {
  return ranks === undefined ? body() : ranks.first(body);
}

async function refuseOtherRunOf(output: string, ranks: RunRanks | undefined): Promise<undefined> {
  await firstOf(ranks, () => refuseOtherRun(output));
  return undefined;
}

function enterFolder(output: string): { readonly made: string | undefined; readonly unlock: () => void } {
  const made = makeFolder(output);
  return { made, unlock: lockRun(output) };
}

/** Reads and checks whatever the run needs; writes nothing. */
export async function prepareRun(
  config: TrainConfig,
  store: RunCheckpointStore,
  start: RunStart | undefined,
  {
    ranks,
    createTaskEvaluator,
  }: Pick<RunOptions, 'createTaskEvaluator'> & { readonly ranks?: RunRanks | undefined } = {},
): Promise<PreparedRun> {
  const tokenizerPath = config.model.tokenizer ?? config.model.path;
  if (tokenizerPath === undefined)
    throw new InputError('model.tokenizer is missing; a new model needs a tokenizer file or folder.');
  prepareRuntime(config.threads === undefined ? {} : { threads: config.threads });
  if (config.deterministic) setLinearRoute({ forward: false, gradInput: false, gradWeight: false });
  if (ranksOfModel(config.parallel) > 1) checkModelSplit(runArchitecture(config), config.parallel);
  // Of ranks, what they needed to meet is counted elsewhere.
  const startBytes = ranks?.startBytes ?? residentBytes();
  const startScriptBytes = scriptBytes();
  const loaded = createRunModel(config, ranks);
  const { architecture } = loaded;
  mergeFirst(config, loaded);
  const tokenizer = loadModelTokenizer(architecture, tokenizerPath);
  const data = await readRunRows(config.data, architecture, tokenizer, config.training, tokenizerPath);
  const heldOut =
    config.evaluation === undefined || !hasRows(config.evaluation)
      ? undefined
      : await readRunRows(
          evaluationRows(config.evaluation, config.data),
          architecture,
          tokenizer,
          config.training,
          tokenizerPath,
        );
  checkRun(config, loaded, data.rows);
  sayTrainedTemplate({
    architecture,
    tokenizerPath,
    trained: data.chatTemplate,
    heldOut: heldOut?.chatTemplate,
  });
  const teacher = loadTeacher(config, loaded, tokenizer, [
    data.rows,
    ...(heldOut === undefined ? [] : [heldOut.rows]),
  ]);
  collectGarbage();
  const readBytes = Math.max(0, scriptBytes() - startScriptBytes);
  const estimate = estimateRun(config, loaded, data.rows, {
    startBytes,
    readBytes,
    teacher,
    data: ranks?.data.size ?? 1,
  });
  const tasks = await taskEvaluatorOf(config, createTaskEvaluator, {
    loaded,
    tokenizer,
    tokenizerPath,
    chatTemplate: data.chatTemplate,
  });
  const adapters = config.lora === undefined ? undefined : addAdapters(loaded, config.lora, config.seed);
  return {
    config,
    loaded,
    adapters,
    data,
    heldOut,
    store,
    tokenizerPath,
    tokenizer,
    start,
    estimate,
    teacher,
    tasks,
    ranks,
  };
}

/** Dialogues of both are rendered the same way, unless it is said otherwise. */
function evaluationRows<Rows extends TrainConfig['evaluation'] & object>(
  evaluation: Rows,
  { chat_template, template_values }: TrainConfig['data'],
): Rows {
  if (evaluation.files === undefined || evaluation.chat_template !== undefined) return evaluation;
  return { ...evaluation, chat_template, template_values: evaluation.template_values ?? template_values };
}

/** What the loop is given of a run, whoever watches and keeps it. */
export function loopOptions(
  run: PreparedRun,
): Omit<TrainingLoopOptions, 'observers' | 'evaluation' | 'tasks' | 'checkpoints' | 'onEvaluation'> {
  const { config, adapters, data, estimate } = run;
  const { output, training, seed } = config;
  return {
    training,
    output,
    seed,
    shuffle: config.data.shuffle,
    documentAttention: data.documentAttention,
    label: 'training',
    adapters,
    learningRateFactors:
      adapters === undefined || config.lora === undefined
        ? undefined
        : learningRateFactors(adapters, config.lora.plus_ratio),
    teacher: run.teacher?.model,
    flops: estimate.flops,
    ranks: run.ranks,
  };
}

async function trainAndSave(run: PreparedRun, watch: RunObserver | undefined): Promise<TrainingResult> {
  const { config, loaded, adapters, data, estimate, ranks } = run;
  const { output, evaluation } = config;
  // Before a checkpoint is restored: the model is still the one that training begins with.
  const rows = await referencedRows(run, data.rows, 'training');
  const heldOut = run.heldOut && (await referencedRows(run, run.heldOut.rows, 'evaluation'));
  const checkpoints = new RunCheckpointer(run);
  const observers = observersOf(run, watch);
  const meter = new PeakMeter();
  const result = await runTrainingLoop(loaded, rows, {
    ...loopOptions(run),
    observers: [...observers, meter],
    onEvaluation: ({ step }) => writeSamples(run, step, observers),
    evaluation:
      heldOut === undefined || evaluation === undefined ? undefined : { ...evaluation, rows: heldOut },
    tasks: run.tasks && { evaluator: run.tasks, every: evaluation?.tasks_every ?? evaluation?.every ?? 1 },
    checkpoints,
  });
  if (ranks === undefined) estimate.report();
  else {
    const peaks = ranks.world.group.gatherNumbers([meter.bytes]).flat();
    // 0: the run was through before it began.
    if (ranks.isFirst && Math.max(...peaks) > 0) estimate.report(peaks);
  }
  await checkpoints.finish(result.progress);
  await firstOf(run.ranks, async () => {
    if (adapters !== undefined) {
      await checkpoints.writeAdapter(join(output, ADAPTER));
      mergeAdapters(loaded);
    }
    await saveModel(join(output, FINAL), loaded, tokenizerSource(run.tokenizerPath), data.chatTemplate);
    log(`final model: ${join(output, FINAL)}`);
  });
  return result;
}

function observersOf({ config, start, ranks }: PreparedRun, watch: RunObserver | undefined): RunObserver[] {
  if (ranks?.isFirst === false) return [];
  const { output } = config;
  // A run that begins anew leaves nothing of one that was killed before its first checkpoint.
  const isAnew = fileStatus(join(output, METRICS_FILE)) !== undefined;
  const resumed = { resumedAfter: start?.manifest.step ?? (isAnew ? -1 : undefined) };
  return [
    metricsFile(join(output, METRICS_FILE), resumed),
    ...(watch === undefined ? [] : [watch]),
    progress({ label: 'training' }),
    ...(config.watch.tensorboard ? [tensorBoard(join(output, 'tensorboard'), resumed)] : []),
  ];
}

/** An adapter that becomes part of the weights before training. */
function mergeFirst({ model: { adapter } }: TrainConfig, { model, architecture }: LoadedModel): void {
  if (adapter === undefined) return;
  loadAdapter(model, architecture.names, adapter);
  mergeAdapters({ model, architecture });
  log(`merged ${adapter} into the weights`);
}

async function openWatch(config: TrainConfig): Promise<RunObserver | undefined> {
  const { watch, output } = config;
  if (watch.port === undefined) return undefined;
  const server = await watchServer({
    port: watch.port,
    label: basename(output),
    config,
    command: quoted(commandOfProcess()),
  });
  log(`watch this run at ${server.url}`);
  return server;
}

/** New tokens of a sample that is written during a run. */
const SAMPLE_TOKENS = 48;

/** Lets the model continue the prompts of the configuration, for those who watch. */
function writeSamples(
  { config, loaded, tokenizer, ranks }: PreparedRun,
  step: number,
  observers: readonly RunObserver[],
): void {
  if (ranks?.isFirst === false) return;
  for (const prompt of config.watch.prompts ?? []) {
    const promptIds = tokenizer.encode(prompt);
    const [result] = generateText(loaded.model, tokenizer, [{ promptIds, maxNewTokens: SAMPLE_TOKENS }]);
    const text = result?.text ?? '';
    log(`sample after step ${step}: ${prompt}${text}`);
    for (const observer of observers) observer.sample?.({ step, prompt, text });
  }
}
