/** Loads a checkpoint that holds LoRA matrices beside all weights of the model, as MindPet and DeepSpeed's LoRA leave it. */
import { isAdapterHalf, loadWeights, openModelTensors } from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { applyLora, mergeLora } from '../lora/index.js';
import type { Architecture } from './family.js';
import type { LoadedModel, LoadModelOptions } from './load-model.js';

export interface MergedModelOptions extends Pick<LoadModelOptions, 'dtype' | 'device'> {
  readonly architecture: Architecture;
  /** What the adapter was trained with: the checkpoint does not say alpha. */
  readonly rank: number;
  readonly alpha: number;
}

/** Whether LoRA matrices lie among the tensors of a checkpoint. */
export function holdsAdapterHalves(path: string, { tables }: Architecture): boolean {
  return [...openModelTensors(path, tables).weights.keys()].some(isAdapterHalf);
}

/**
 * The model with the update of its LoRA matrices worked into the weights.
 * @throws InputError for matrices of another rank or without their twin, and as `loadModel`
 */
export function loadMergedModel(
  path: string,
  { architecture, rank, alpha, ...options }: MergedModelOptions,
): LoadedModel {
  const halves = [...openModelTensors(path, architecture.tables).weights].filter(([own]) =>
    isAdapterHalf(own),
  );
  const layers = new Set(halves.map(([own]) => own.replace(/\.lora[AB]$/, '')));
  for (const layer of layers) {
    const [a, b] = ['loraA', 'loraB'].map((part) => halves.find(([own]) => own === `${layer}.${part}`)?.[1]);
    if (a === undefined || b === undefined)
      throw new InputError(
        `${path}: the LoRA matrices of ${layer} are not whole: one of the two is missing.`,
      );
    if (a.shape[0] !== rank)
      throw new InputError(
        `${path}: "${a.source}" is a LoRA matrix of rank ${a.shape[0]}, and the rank asked for is ${rank} (lora_rank).`,
      );
  }
  const model = architecture.createModel();
  applyLora(model, (layer) => layers.has(layer), { rank, alpha });
  loadWeights(model, architecture.tables, path, options);
  mergeLora(model);
  return { model, architecture };
}
