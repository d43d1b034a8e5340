/** What memory and arithmetic depend on: a model's sizes and those of its parameters; no weights needed. */
import type { Block, CausalLm, ModelShape } from '../../models/index.js';
import { type Linear, namedLinears } from '../../nn/index.js';

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

export interface PlannedModel extends ModelShape {
  readonly blocks: readonly BlockShape[];
  readonly embeddingElements: number;
  readonly elements: number;
  /** Elements of the largest parameter. */
  readonly largest: number;
  /** For each layer the tokens that a query sees at most; undefined: all. */
  readonly windows: readonly (number | undefined)[];
  /** Tokens whose keys and values a cache has to hold; undefined: all. */
  readonly longestWindow: number | undefined;
}

export function plannedModel(model: CausalLm): PlannedModel {
  const elements = new Map(model.namedParameters().map(([path, { numElements }]) => [path, numElements]));
  const [embedding] = model.segments();
  return {
    ...model.shape,
    blocks: model.layers.map((layer, index) => blockShape(layer, `layers.${index}`)),
    embeddingElements: embedding?.parameters.reduce((sum, path) => sum + (elements.get(path) ?? 0), 0) ?? 0,
    elements: model.parameterCount(),
    largest: Math.max(...elements.values()),
    windows: model.layers.map((_, layer) => model.slidingWindows[layer]),
    longestWindow: model.longestWindow,
  };
}

function blockShape(layer: Block, path: string): BlockShape {
  const linears = new Map(namedLinears(layer));
  const shapeOf = (part: string): LinearShape => {
    const linear = linears.get(part);
    if (linear === undefined) throw new TypeError(`${path} has no linear layer ${part}`);
    return linearShape(`${path}.${part}`, linear);
  };
  const { attentionIn, attentionOut, mlpIn, mlpOut } = layer.linears;
  return {
    attentionIn: attentionIn.map(shapeOf),
    attentionOut: shapeOf(attentionOut),
    mlpIn: mlpIn.map(shapeOf),
    mlpOut: shapeOf(mlpOut),
    elements: layer.parameterCount(),
  };
}

function linearShape(path: string, { inFeatures, outFeatures, bias }: Linear): LinearShape {
  const elements = inFeatures * outFeatures + (bias === undefined ? 0 : outFeatures);
  return { path, inFeatures, outFeatures, elements };
}
