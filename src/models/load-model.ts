/** Loads a model folder or weight file as a model that can run. */
import { dirname } from 'node:path';
import { type LoadWeightsOptions, loadWeights } from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import type { CausalLm } from './causal-lm.js';
import { embeddedConfig } from './convert/gguf/gguf-config.js';
import type { Architecture } from './family.js';
import { findConfig, loadArchitecture, parseArchitecture } from './registry.js';

export interface LoadModelOptions extends LoadWeightsOptions {
  /** A config that lies elsewhere; default: that of a GGUF, or beside the weights. */
  readonly configPath?: string | undefined;
  /** What a config that is no file describes; no other is looked for. */
  readonly architecture?: Architecture | undefined;
  /** What the model must give. Default logits; any: whatever it is. */
  readonly output?: 'logits' | 'score' | 'any' | undefined;
}

export interface LoadedModel {
  readonly model: CausalLm;
  readonly architecture: Architecture;
}

/**
 * @param path a folder (config beside the weights) or a weight file
 * @throws InputError for a missing path, and as the config and the weights demand
 */
export function loadModel(
  path: string,
  { configPath, architecture: given, output = 'logits', ...options }: LoadModelOptions = {},
): LoadedModel {
  const architecture = given ?? loadModelArchitecture(path, configPath, 'any');
  checkOutput(architecture, path, output);
  const model = architecture.createModel();
  loadWeights(model, architecture.tables, path, options);
  return { model, architecture };
}

/** The architecture alone, by the config that `loadModel` would take. @throws InputError as there */
export function loadModelArchitecture(
  path: string,
  configPath?: string,
  output: LoadModelOptions['output'] = 'logits',
): Architecture {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such model folder or weight file.`);
  const folder = status.isDirectory() ? path : dirname(path);
  const embedded = configPath === undefined ? embeddedConfig(path) : undefined;
  const architecture =
    embedded === undefined
      ? loadArchitecture(configPath ?? findConfig(folder))
      : parseArchitecture(embedded.config, embedded.source);
  checkOutput(architecture, path, output);
  return architecture;
}

/** @throws InputError for a reward model where text is asked for, and the other way round */
function checkOutput(
  { output: given = 'logits' }: Architecture,
  path: string,
  wanted: LoadModelOptions['output'],
): void {
  if (wanted === 'any' || wanted === given) return;
  throw new InputError(
    given === 'score'
      ? `${path}: this is a reward model: it scores conversations (xinghe score) and writes no text; name the model that it was ` +
          'made from.'
      : `${path}: this is no reward model: it has no score.weight; train one with training.objective.loss: reward.`,
  );
}
