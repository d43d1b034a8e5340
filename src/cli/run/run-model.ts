/** The model of a published run that is not trained: its weights, joined from ranks, with its LoRA matrices worked in. */
import { join } from 'node:path';
import { loadAdapter } from '../../checkpoint/index.js';
import type { PublishedRun } from '../../compat/index.js';
import { selectRankDevice } from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { mergeLora } from '../../lora/index.js';
import {
  type Architecture,
  holdsAdapterHalves,
  type LoadedModel,
  loadArchitecture,
  loadMergedModel,
  loadModel,
  loadModelArchitecture,
  parseArchitecture,
} from '../../models/index.js';
import { prepareRuntime } from '../../tensor/index.js';

type PublishedModel = PublishedRun['model'];

/** load_checkpoint, which `refuseMissing` has looked for. */
export function weightsOf({ weights }: PublishedModel): string {
  if (weights === undefined) throw new RangeError('a run without weights');
  return weights;
}

/** @param source names the run file in messages */
export function loadPublishedModel(model: PublishedModel, source: string): LoadedModel {
  prepareRuntime();
  const path = weightsOf(model);
  const options = { dtype: model.dtype, device: selectRankDevice(model.device) };
  if (isAdapterFolder(path)) return loadWithAdapter(path, model, source, options);
  const architecture = architectureOf(path, model, source);
  if (model.lora !== undefined) {
    if (holdsAdapterHalves(path, architecture))
      return loadMergedModel(path, { ...options, architecture, ...model.lora });
    log(`note: pet_config: ${path} has no LoRA matrices; they are taken to be in its weights already`);
  }
  return loadModel(path, { ...options, architecture, keepIntegers: true });
}

/** What `adapter/` of a training run is, and PEFT's own. */
export function isAdapterFolder(path: string): boolean {
  return fileStatus(join(path, 'adapter_config.json')) !== undefined;
}

function loadWithAdapter(
  path: string,
  { base, ...model }: PublishedModel,
  source: string,
  options: { readonly dtype: PublishedModel['dtype']; readonly device: string },
): LoadedModel {
  if (base === undefined || base === path)
    throw new InputError(
      `${source}: load_checkpoint: ${path} is an adapter; name the model that it belongs to: ` +
        '--set model.model_config.checkpoint_name_or_path=PATH.',
    );
  const loaded = loadModel(base, { ...options, architecture: architectureOf(base, model, source) });
  loadAdapter(loaded.model, loaded.architecture.names, path);
  mergeLora(loaded.model);
  return loaded;
}

/** By the config beside the weights; of weights alone by the run file. */
export function architectureOf(
  path: string,
  { configOfWeights: config }: Pick<PublishedModel, 'configOfWeights'>,
  source: string,
): Architecture {
  if (config === undefined) return loadModelArchitecture(path);
  return typeof config === 'string' ? loadArchitecture(config) : parseArchitecture(config, source);
}
