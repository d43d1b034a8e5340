/** `xinghe train`: a run by its configuration file. */
import { loadTrainingConfig } from '../compat/index.js';
import { rankEnvironment } from '../distributed/index.js';
import { InputError } from '../errors/index.js';
import { createTaskEvaluator } from '../library/index.js';
import { formatBytes, formatCount, log } from '../log/index.js';
import { dryRun, runTraining, type TrainConfig, trialRun } from '../training/index.js';
import { hubOptions, placedConfig } from './hub-options.js';
import { parseOptions } from './options.js';
import { plan } from './plan/plan.js';

const specs = {
  config: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'YAML, JSON or a published launch script; see recipes/, docs/training.md, docs/migration.md',
  },
  set: { kind: 'strings', value: 'key=value…', help: 'override any key, e.g. --set training.steps=100' },
  resume: {
    kind: 'string',
    value: 'auto|PATH',
    help: 'go on from the newest checkpoint in the output folder (from the start if it has none), or from this one',
  },
  ...hubOptions,
  watch: {
    kind: 'integer',
    min: 0,
    value: 'PORT',
    help: 'serve a live page of the run on this port of 127.0.0.1; 0 takes a free one',
  },
  'dry-run': {
    kind: 'flag',
    help: 'read and check everything, show configuration, plan and first rows; nothing is written',
  },
  trial: {
    kind: 'integer',
    min: 2,
    value: 'STEPS',
    help: 'take so many steps, say how fast and how full they were; nothing is written or kept',
  },
  json: { kind: 'flag', help: 'print a summary as JSON on stdout' },
} as const;

export async function train(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe train', summary: 'pre-train or fine-tune (full, LoRA) by a configuration file' },
    specs,
    args,
  );
  const {
    config: read,
    notes,
    resume,
  } = loadTrainingConfig(
    options.config,
    [...options.set, ...(options.watch === undefined ? [] : [`watch.port=${options.watch}`])],
    { ranks: rankEnvironment()?.size },
  );
  for (const note of notes) log(note);
  const config = await placedConfig(read, options.hub);
  const from = options.resume ?? (resume === true ? 'auto' : resume || undefined);
  if (options['dry-run']) {
    if (options.json)
      throw new InputError(
        'xinghe train: --dry-run prints text; for numbers, xinghe plan --config FILE --json',
      );
    return rehearse(config, options, from);
  }
  if (options.trial !== undefined) {
    if (from !== undefined)
      throw new InputError('xinghe train: --trial takes the first steps of a run; leave --resume out.');
    return await rehearseSteps(config, options.trial, options.json);
  }
  const { losses, tokens, seconds, evaluations, skippedSteps } = await runTraining(config, {
    resume: from,
    createTaskEvaluator,
  });
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ output: config.output, steps: losses.length, first_loss: losses[0]?.loss, last_loss: losses.at(-1)?.loss, eval_loss: evaluations.at(-1)?.loss, skipped_steps: skippedSteps, tokens, seconds })}\n`,
    );
  return 0;
}

async function rehearseSteps(config: TrainConfig, count: number, json: boolean): Promise<number> {
  const { steps, seconds, tokensPerSecond, peakBytes, plannedBytes, isFirst } = await trialRun(config, count);
  if (!isFirst) return 0;
  process.stdout.write(
    json
      ? `${JSON.stringify({ steps, seconds, tokens_per_second: tokensPerSecond, peak_bytes: peakBytes, planned_bytes: plannedBytes })}\n`
      : `a step takes ${seconds.toPrecision(3)} s, ${formatCount(tokensPerSecond)} tokens/s (median of ${steps}); ${formatBytes(peakBytes)} at the peak of the ` +
          `fullest rank, planned ${formatBytes(plannedBytes)}\n`,
  );
  return 0;
}

async function rehearse(
  config: TrainConfig,
  options: { readonly config: string; readonly set: readonly string[] },
  resume: string | undefined,
): Promise<number> {
  const found = await dryRun(config, { resume, createTaskEvaluator });
  const { steps, stepsDone, rowsPerStep, rows, heldOutRows, firstRows } = found;
  process.stdout.write(`${found.config}\n`);
  const code = await plan([
    '--config',
    options.config,
    ...(options.set.length === 0 ? [] : ['--set', ...options.set]),
  ]);
  const behind = stepsDone === 0 ? '' : `, ${stepsDone} of them done`;
  const epochs = (steps * rowsPerStep) / rows;
  process.stdout.write(
    [
      `\n${steps} steps of ${rowsPerStep} rows${behind}; ${rows} rows, ${epochs.toPrecision(3)} epochs`,
      ...(heldOutRows === undefined ? [] : [`${heldOutRows} held-out rows`]),
      'the first rows (learned text within ⟦ ⟧):',
      ...firstRows,
      '',
    ].join('\n'),
  );
  log(`dry run: nothing was written; ${config.output} is as it was`);
  return code;
}
