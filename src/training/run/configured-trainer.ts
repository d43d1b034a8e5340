/** The trainer that a configuration asks for. */
import { publishedName } from '../../checkpoint/index.js';
import { formatCount, log } from '../../log/index.js';
import type { LoadedModel } from '../../models/index.js';
import type { Generator, Tensor } from '../../tensor/index.js';
import type { PhaseClock } from '../step/phase-clock.js';
import type { Schedule } from '../step/schedule.js';
import { Trainer } from '../step/trainer.js';
import type { TrainConfig } from './run-config.js';
import type { TrainRowsOptions } from './train-rows.js';

type TrainingConfig = TrainConfig['training'];

/** The learning rates of a run. */
export function scheduleOf(training: TrainingConfig, totalSteps: number): Schedule {
  return {
    kind: training.schedule,
    learningRate: training.learning_rate,
    minLearningRate: training.min_learning_rate,
    warmupSteps: training.warmup_steps ?? Math.round((training.warmup_ratio ?? 0) * totalSteps),
    totalSteps,
    decaySteps: training.decay_steps,
    form: training.schedule_form,
  };
}

/** What is trained, by own path: all parameters, or the adapters' alone. */
export function trainedParameters(
  { model }: LoadedModel,
  { adapters, label }: TrainRowsOptions,
  dropout: Generator,
): Map<string, Tensor> {
  const parameters = new Map(model.namedParameters());
  if (adapters !== undefined) {
    const trained = new Set([...adapters.values()].flatMap((layer) => layer.adapterParameters));
    for (const [path, parameter] of parameters) if (!trained.has(parameter)) parameters.delete(path);
    for (const layer of adapters.values()) layer.dropoutGenerator = dropout;
  }
  const count = [...parameters.values()].reduce((sum, parameter) => sum + parameter.numElements, 0);
  log(`${label}: ${formatCount(count)} of ${formatCount(model.parameterCount())} parameters are trained`);
  return parameters;
}

/** @param dropout draws what the forward pass leaves to chance */
export function createTrainer(
  { model, architecture }: LoadedModel,
  parameters: ReadonlyMap<string, Tensor>,
  { training, documentAttention, learningRateFactors }: TrainRowsOptions,
  dropout: Generator,
  clock: PhaseClock,
): Trainer {
  const isMixed = training.precision === 'bfloat16-mixed' || training.precision === 'float16-mixed';
  const isHalf = training.precision === 'float16-mixed';
  return new Trainer(model, parameters, {
    beta1: training.beta1,
    beta2: training.beta2,
    eps: training.eps,
    form: training.adamw,
    masterWeights: isMixed,
    stateDevice: training.offload.optimizer ? 'cpu' : undefined,
    learningRateFactors,
    publishedName: (path) => publishedName(architecture.names, path),
    weightDecay: training.weight_decay,
    isSparedFromDecay: sparedFromDecay(training.no_weight_decay),
    maxGradNorm: training.max_grad_norm,
    recompute: training.recompute,
    lossAlignment: training.loss_alignment,
    documentAttention,
    padTokenId: architecture.padTokenId ?? 0,
    generator: dropout,
    lossScale: training.loss_scale ?? (isHalf ? { kind: 'dynamic' } : undefined),
    skipNonFinite: training.non_finite === 'skip',
    offloadBorders: training.offload.borders,
    accumulates: training.gradient_accumulation_steps > 1,
    clock,
  });
}

function sparedFromDecay(parts: readonly string[] | undefined): (name: string, parameter: Tensor) => boolean {
  if (parts === undefined) return (_, parameter) => parameter.numDims < 2;
  return (name) => parts.some((part) => name.includes(part));
}
