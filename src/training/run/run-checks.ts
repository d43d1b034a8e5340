/** Checks of a configuration that need the model and the data. */
import type { RowSource } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import type { LoadedModel } from '../../models/index.js';
import { namedLinears } from '../../nn/index.js';
import { adaptedBy } from '../plan/adapted-layers.js';
import { readsLastToken } from '../step/loss-weights.js';
import type { TrainConfig } from './run-config.js';
import { stepsOf } from './run-parts.js';

/** @throws InputError for numbers that do not fit the model, the rows, or each other */
export function checkRun({ training, lora }: TrainConfig, loaded: LoadedModel, rows: RowSource): void {
  const { model } = loaded;
  const { recompute, warmup_steps: warmup = 0, decay_steps: decay = 0 } = training;
  const steps = training.schedule_steps ?? stepsOf(training, rows.rowCount);
  const whose = training.schedule_steps === undefined ? 'the run has' : 'its schedule has';
  // DeepSpeed's schedulers may warm up for longer than the run: their own default is 1000 steps.
  if (warmup > steps && training.schedule_form !== 'deepspeed')
    throw new InputError(
      `training.warmup_steps is ${warmup}, but ${whose} ${steps} steps; give at most as many.`,
    );
  if (decay > steps)
    throw new InputError(
      `training.decay_steps is ${decay}, but ${whose} ${steps} steps; give at most as many.`,
    );
  const blocks = model.layers.length;
  const beyond =
    typeof recompute === 'object' && 'layers' in recompute
      ? recompute.layers.find((layer) => layer >= blocks)
      : undefined;
  if (beyond !== undefined)
    throw new InputError(
      `training.recompute.layers names block ${beyond}; the model has blocks 0 to ${blocks - 1}.`,
    );
  // A reward model reads the last token too, and so does one whose experts are balanced.
  const readsLast = training.objective?.loss === 'reward' || readsLastToken(model);
  checkLength(model.shape.maxPositions, rows.rowLength + (readsLast ? 1 : 0));
  if (lora !== undefined) checkRank(lora, loaded);
}

function checkLength(maxPositions: number | undefined, rowLength: number): void {
  const predictions = rowLength - 1;
  if (maxPositions === undefined || predictions <= maxPositions) return;
  throw new InputError(
    `rows have ${predictions} predictions, the model is made for ${maxPositions} positions; prepare shorter rows, or raise the ` +
      "limit in the model's config if it is meant to be extended.",
  );
}

/** The layers that get an adapter decide, each of them. */
function checkRank(
  { rank, target_modules: targets }: NonNullable<TrainConfig['lora']>,
  { model, architecture }: LoadedModel,
): void {
  const isAdapted = adaptedBy(model, architecture.names, targets);
  for (const [path, { inFeatures, outFeatures }] of namedLinears(model)) {
    if (!isAdapted(path) || rank <= Math.min(inFeatures, outFeatures)) continue;
    throw new InputError(
      `lora.rank is ${rank}, but ${path} has only ${Math.min(inFeatures, outFeatures)} features on one side; a higher rank ` +
        'is no low-rank update.',
    );
  }
}
