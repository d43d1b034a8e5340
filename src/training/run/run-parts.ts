/** What changes while a run trains: trainer, parameters, generator of dropout; and how long it is. */
import { product, publishedName } from '../../checkpoint/index.js';
import { formatCount, log } from '../../log/index.js';
import type { LoraLinear } from '../../lora/index.js';
import { type CausalLm, type LoadedModel, SCORE } from '../../models/index.js';
import { RandomGenerator, type Tensor } from '../../tensor/index.js';
import { createObjective } from '../objective/create-objective.js';
import type { PhaseClock } from '../step/phase-clock.js';
import { Trainer } from '../step/trainer.js';
import type { TrainingSettings } from '../step/training-settings.js';
import type { TrainingLoopOptions } from './train-rows-options.js';

export interface RunParts {
  readonly trainer: Trainer;
  readonly dropout: RandomGenerator;
  /** What is trained, by own path. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly totalSteps: number;
  readonly rowsPerStep: number;
}

/**
 * Optimiser steps of a run over `rowCount` rows. Each epoch takes every row once: its last step has the rows that are left.
 * A part of an epoch takes the steps that its share of the rows fills or begins.
 */
export function stepsOf(training: TrainingSettings, rowCount: number, ranks = 1): number {
  const { steps, epochs = 1 } = training;
  if (steps !== undefined) return steps;
  const whole = Math.floor(epochs);
  const perStep = rowsPerStep(training, ranks);
  const stepsFor = (rows: number): number => Math.ceil(rows / perStep);
  return Math.max(1, whole * stepsFor(rowCount) + stepsFor((epochs - whole) * rowCount));
}

/** On all ranks together: each takes as many micro-batches as a run of one process. */
export function rowsPerStep(training: TrainingSettings, ranks = 1): number {
  return training.micro_batch_size * training.gradient_accumulation_steps * ranks;
}

/** @param clock told what the time of a step goes to */
export function createRunParts(
  loaded: LoadedModel,
  rowCount: number,
  {
    training,
    seed,
    adapters,
    label,
    learningRateFactors,
    documentAttention,
    teacher,
    ranks,
  }: TrainingLoopOptions,
  clock: PhaseClock,
): RunParts {
  const { model, architecture, cuts = new Map() } = loaded;
  const rowRanks = ranks?.data.size ?? 1;
  const totalSteps = stepsOf(training, rowCount, rowRanks);
  const stages = ranks?.stages?.size ?? 1;
  if (training.gradient_accumulation_steps < stages && ranks?.isFirst === true)
    log(
      `${label}: ${training.gradient_accumulation_steps} micro-batches (training.gradient_accumulation_steps) through ${stages} stages: some of the ` +
        'ranks always wait; give as many or more',
    );
  const padTokenId = architecture.padTokenId ?? 0;
  const dropout = new RandomGenerator(seed, model.device);
  for (const layer of adapters?.values() ?? []) layer.dropoutGenerator = dropout;
  const parameters = trainedParameters(model, adapters);
  const count = (paths: Iterable<readonly [string, Tensor]>): number =>
    [...paths].reduce((sum, [path, { shape }]) => sum + product(cuts.get(path)?.shape ?? shape), 0);
  log(
    `${label}: ${formatCount(count(parameters))} of ${formatCount(count(model.namedParameters()))} parameters are trained`,
  );
  const trainer = new Trainer(model, parameters, training, {
    totalSteps,
    learningRateFactors,
    publishedName: (path) => publishedName(architecture.names, path),
    documentAttention,
    padTokenId,
    objective:
      training.objective && createObjective(training.objective, { padTokenId, documentAttention, teacher }),
    generator: dropout,
    clock,
    share: ranks?.share(architecture, cuts),
  });
  return { trainer, dropout, parameters, totalSteps, rowsPerStep: rowsPerStep(training, rowRanks) };
}

/** By own path: all parameters, or the adapters' alone; the score of a reward model is always trained. */
function trainedParameters(
  model: CausalLm,
  adapters: ReadonlyMap<string, LoraLinear> | undefined,
): Map<string, Tensor> {
  const parameters = new Map(model.namedParameters());
  if (adapters === undefined) return parameters;
  const trained = new Set([...adapters.values()].flatMap((layer) => layer.adapterParameters));
  return new Map(
    [...parameters].filter(([path, parameter]) => trained.has(parameter) || path.startsWith(`${SCORE}.`)),
  );
}
