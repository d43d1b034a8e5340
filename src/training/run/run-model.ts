/** Creates or loads the model of a run, with new adapters if configured. */

import { selectRankDevice } from '../../distributed/index.js';
import { log } from '../../log/index.js';
import { applyLora, initializeLora, type LoraLinear } from '../../lora/index.js';
import {
  type Architecture,
  type LoadedModel,
  loadArchitecture,
  loadModel,
  loadModelArchitecture,
  parseArchitecture,
  type SplitPlace,
  withScoreHead,
} from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { RandomGenerator, scope } from '../../tensor/index.js';
import { adaptedBy } from '../plan/adapted-layers.js';
import { computeDType } from '../step/precision.js';
import type { TrainConfig } from './run-config.js';

/** @param place of the ranks that share its matrices: where weights are read and nothing is made of them, this rank's part alone is */
export function createRunModel(
  { model: source, seed, device, training, lora, parallel }: TrainConfig,
  place?: SplitPlace,
): LoadedModel {
  const { path, path_config: ofPath, config } = source;
  const dtype = training.precision === undefined ? undefined : computeDType(training.precision);
  const selected = selectRankDevice(device);
  const isReward = training.objective?.loss === 'reward';
  if (path !== undefined) {
    const given = ofPath === undefined ? undefined : configuredArchitecture(ofPath, 'model.path_config');
    const output = isReward ? 'any' : 'logits';
    // Adapters are all that is trained then, beside weights that stay as their files have them.
    // Ranks that share the model cut and exchange floats.
    const isShared = parallel.tensor > 1 || parallel.pipeline > 1;
    const keepIntegers = lora !== undefined && source.adapter === undefined && !isReward && !isShared;
    // Adapters begin with what they read of whole weights, and so does a new score; a stage reads all of its parameters.
    const readsPart =
      lora === undefined && source.adapter === undefined && !isReward && parallel.pipeline === 1;
    const loaded = loadModel(path, {
      dtype,
      device: selected,
      architecture: given,
      output,
      keepIntegers,
      place: readsPart ? place : undefined,
    });
    return isReward ? withNewScore(loaded, seed) : loaded;
  }
  const architecture = configuredArchitecture(config ?? {}, 'model.config');
  const model = architecture.createModel();
  withGenerator(seed, (generator) =>
    initializeModule(model, {
      rule: architecture.initRule,
      generator,
      dtype: dtype ?? 'float32',
      device: selected,
    }),
  );
  return isReward ? withNewScore({ model, architecture }, seed) : { model, architecture };
}

/** What a run trains, by its config alone: no weights are read. */
export function runArchitecture({ model: { path, path_config: ofPath, config } }: TrainConfig): Architecture {
  if (path === undefined) return configuredArchitecture(config ?? {}, 'model.config');
  if (ofPath !== undefined) return configuredArchitecture(ofPath, 'model.path_config');
  return loadModelArchitecture(path, undefined, 'any');
}

function withNewScore(loaded: LoadedModel, seed: number): LoadedModel {
  const generator = new RandomGenerator(seed);
  try {
    return scope(() => withScoreHead(loaded, generator));
  } finally {
    generator.dispose();
  }
}

function configuredArchitecture(
  config: NonNullable<TrainConfig['model']['config']>,
  source: string,
): Architecture {
  return typeof config === 'string' ? loadArchitecture(config) : parseArchitecture(config, source);
}

/** @throws InputError for a target module that no linear layer has in its published name */
export function addAdapters(
  { model, architecture }: LoadedModel,
  { target_modules: targets, ...lora }: NonNullable<TrainConfig['lora']>,
  seed: number,
): Map<string, LoraLinear> {
  const adapters = applyLora(model, adaptedBy(model, architecture.names, targets), {
    rank: lora.rank,
    alpha: lora.alpha,
    dropout: lora.dropout,
    rankStabilized: lora.rank_stabilized,
    dora: lora.dora,
  });
  if (model.shape.experts !== undefined)
    log('LoRA: the experts and their routers stay as they are; they get no adapters');
  withGenerator(seed, (generator) => {
    for (const layer of adapters.values()) initializeLora(layer, generator);
  });
  return adapters;
}

function withGenerator(seed: number, body: (generator: RandomGenerator) => void): void {
  const generator = new RandomGenerator(seed);
  scope(() => body(generator));
  generator.dispose();
}
