/** The sizes that memory and FLOPs depend on, read from a model's modules; no weights needed. */
import type { CausalLm } from '../../models/index.js';
import { LayerNorm, Linear, type Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';

export interface LinearShape {
  /** Own path in the model. */
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Elements of weight and bias. */
  readonly elements: number;
}

export interface BlockShape {
  /** To queries, keys and values: one, two or three matrices, the last of them holds the values. */
  readonly attentionIn: readonly LinearShape[];
  readonly attentionOut: LinearShape;
  /** Gate and up, in one matrix or two. */
  readonly mlpIn: readonly LinearShape[];
  readonly mlpOut: LinearShape;
  readonly elements: number;
}

export interface ModelShape {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly numHeads: number;
  readonly norm: 'rms' | 'layer';
  readonly blocks: readonly BlockShape[];
  /** The embedding table is the output projection, too. */
  readonly isTied: boolean;
  readonly embeddingElements: number;
  readonly elements: number;
  /** Elements of the largest parameter. */
  readonly largest: number;
  /** A query sees so many tokens at most; undefined: all. */
  readonly window: number | undefined;
}

/** @throws TypeError for a model that is not built of blocks with attention and a gated MLP */
export function modelShape(model: CausalLm): ModelShape {
  const parameters = model.namedParameters();
  const layerParameters = new Set<Tensor>(
    model.layers.flatMap((layer) => layer.namedParameters().map(([, parameter]) => parameter)),
  );
  const embedding = parameters.find(([, parameter]) => !layerParameters.has(parameter))?.[1];
  const hiddenSize = embedding?.shape.at(-1);
  if (embedding === undefined || hiddenSize === undefined)
    throw new TypeError('a model without an embedding');
  const tables = parameters.filter(
    ([, { shape }]) => shape.length === 2 && shape[0] === model.vocabSize && shape[1] === hiddenSize,
  );
  return {
    hiddenSize,
    vocabSize: model.vocabSize,
    numHeads: headsOf(model),
    norm: [...model.namedModules()].some(([, module]) => module instanceof LayerNorm) ? 'layer' : 'rms',
    blocks: model.layers.map((layer, index) => blockShape(layer, `layers.${index}`)),
    isTied: tables.length < 2,
    embeddingElements: embedding.numElements,
    elements: model.parameterCount(),
    largest: Math.max(...parameters.map(([, { numElements }]) => numElements)),
    window: model.window,
  };
}

function blockShape(layer: Module, path: string): BlockShape {
  const linears = [...layer.namedModules(path)].flatMap(([own, module]) =>
    module instanceof Linear ? [linearShape(own, module)] : [],
  );
  const attention = linears.filter((linear) => linear.path.includes('.attention.'));
  const mlp = linears.filter((linear) => linear.path.includes('.mlp.'));
  const attentionOut = attention.at(-1);
  const mlpOut = mlp.at(-1);
  if (attentionOut === undefined || mlpOut === undefined || attention.length < 2 || mlp.length < 2)
    throw new TypeError(`${path}: a block without attention and MLP`);
  return {
    attentionIn: attention.slice(0, -1),
    attentionOut,
    mlpIn: mlp.slice(0, -1),
    mlpOut,
    elements: layer.namedParameters().reduce((sum, [, { numElements }]) => sum + numElements, 0),
  };
}

function linearShape(path: string, { inFeatures, outFeatures, bias }: Linear): LinearShape {
  const elements = inFeatures * outFeatures + (bias === undefined ? 0 : outFeatures);
  return { path, inFeatures, outFeatures, elements };
}

/** Every family's attention has its number of heads under this name. */
function headsOf(model: CausalLm): number {
  for (const [, module] of model.namedModules())
    if ('numHeads' in module && typeof module.numHeads === 'number') return module.numHeads;
  throw new TypeError('a model whose attention does not tell its heads');
}
