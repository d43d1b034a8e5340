/** Creates or loads the model of a run, with new adapters if configured. */
import { findQuantization } from '../../checkpoint/index.js';
import { selectRankDevice } from '../../distributed/index.js';
import { log } from '../../log/index.js';
import { applyLora, initializeLora, type LoraLinear } from '../../lora/index.js';
import {
  type Architecture,
  type CausalLm,
  type LoadedModel,
  loadArchitecture,
  loadModel,
  loadModelArchitecture,
  parseArchitecture,
  type SplitPlace,
  shareParameters,
  withScoreHead,
} from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { keepFreedMemory, RandomGenerator, returnFreedMemory, scope } from '../../tensor/index.js';
import { needsReference } from '../objective/objective-config.js';
import { StageParameters, type StagePlace } from '../parallel/stage-parameters.js';
import { adaptedBy } from '../plan/adapted-layers.js';
import { computeDType } from '../step/precision.js';
import type { TrainConfig } from './run-config.js';

/** Where a rank is among those that share the model. */
export interface RunPlace {
  /** Among those that share its matrices; undefined: there are none. */
  readonly place?: SplitPlace | undefined;
  /** Among those that have the other stages; undefined: there are none. */
  readonly stagePlace?: StagePlace | undefined;
}

/** What an adapter is merged into, magnitudes are measured on or the reference is computed with: a rank reads all of the model then. */
export function needsWhole({
  model,
  training,
  lora,
}: Pick<TrainConfig, 'model' | 'training' | 'lora'>): boolean {
  return (
    model.adapter !== undefined ||
    lora?.dora === true ||
    (training.objective !== undefined && needsReference(training.objective))
  );
}

/** @param place what this rank will have: where nothing is made of whole weights, that alone is read or kept */
export function createRunModel(
  { model: source, seed, device, training, lora, parallel }: TrainConfig,
  { place, stagePlace }: RunPlace = {},
): LoadedModel {
  const { path, path_config: ofPath, config } = source;
  const dtype = training.precision === undefined ? undefined : computeDType(training.precision);
  const selected = selectRankDevice(device);
  const isReward = training.objective?.loss === 'reward';
  const isWhole = needsWhole({ model: source, training, lora });
  const partOf =
    stagePlace &&
    ((model: CausalLm) => {
      const stages = new StageParameters(model, stagePlace);
      return (path: string) => stages.stagesOf(path).includes(stagePlace.stage);
    });
  if (path !== undefined) {
    const given = ofPath === undefined ? undefined : configuredArchitecture(ofPath, 'model.path_config');
    const output = isReward ? 'any' : 'logits';
    // Adapters are all that is trained then, beside weights that stay as their files have them.
    // Ranks that share the model cut and exchange floats.
    const isShared = parallel.tensor > 1 || parallel.pipeline > 1;
    const keepIntegers = lora !== undefined && source.adapter === undefined && !isReward && !isShared;
    if (lora !== undefined && isShared && findQuantization(path) !== undefined)
      log(
        `${path}: its weights in integers become floats, ${dtype ?? 'as wide as its other weights'}: ranks of parallel.tensor and parallel.pipeline ` +
          'exchange floats; parallel.data and parallel.context keep the integers',
      );
    const loaded = loadModel(path, {
      dtype,
      device: selected,
      architecture: given,
      output,
      keepIntegers,
      place: isWhole ? undefined : place,
      partOf: isWhole ? undefined : partOf,
    });
    return isReward ? withNewScore(loaded, seed) : loaded;
  }
  const architecture = configuredArchitecture(config ?? {}, 'model.config');
  const model = architecture.createModel();
  const share = isWhole ? undefined : shareParameters(model, architecture.tables.sharding, place, partOf);
  // What is drawn and not kept leaves no holes between what is.
  if (share !== undefined) keepFreedMemory();
  withGenerator(seed, (generator) =>
    initializeModule(model, {
      rule: architecture.initRule,
      generator,
      dtype: dtype ?? 'float32',
      device: selected,
      part: share?.part,
    }),
  );
  if (share !== undefined) returnFreedMemory();
  const drawn = { model, architecture, cuts: share?.cuts };
  return isReward ? withNewScore(drawn, seed) : drawn;
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
