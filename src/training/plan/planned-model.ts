/** What memory and arithmetic depend on: a model's sizes and those of its parameters; no weights needed. */
import type { HeldIntegers, IntegerLayers } from '../../checkpoint/index.js';
import { type Block, type CausalLm, type ExpertsShape, type ModelShape, SCORE } from '../../models/index.js';
import { type Linear, namedLinears } from '../../nn/index.js';

export interface LinearShape {
  /** Own path in the model. */
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Elements of weight and bias. */
  readonly elements: number;
  /** The weight stays integers in memory; undefined: it is floats. */
  readonly integers?: HeldIntegers | undefined;
}

export interface BlockShape {
  /** To queries, keys and values: one, two or three matrices, the last of them holds the values. */
  readonly attentionIn: readonly LinearShape[];
  readonly attentionOut: LinearShape;
  /** Gate and up, in one matrix or two. */
  readonly mlpIn: readonly LinearShape[];
  /** undefined: there are experts in its place, and `mlpIn` is empty. */
  readonly mlpOut: LinearShape | undefined;
  readonly experts: PlannedExperts | undefined;
  readonly elements: number;
  /** Those of its matrices that stay integers, experts too. */
  readonly integers: readonly HeldIntegers[];
}

export interface PlannedExperts extends ExpertsShape {
  /** Of all experts. */
  readonly elements: number;
  readonly routerElements: number;
}

export interface PlannedModel extends ModelShape {
  /** Values that the head gives for a token: the vocabulary, or 1 of a reward model. */
  readonly outputSize: number;
  readonly blocks: readonly BlockShape[];
  readonly embeddingElements: number;
  readonly elements: number;
  /** Elements that one token is computed with: of the experts, those that read it. */
  readonly activeElements: number;
  /** Elements of the largest parameter. */
  readonly largest: number;
  /** For each layer the tokens that a query sees at most; undefined: all. */
  readonly windows: readonly (number | undefined)[];
  /** Tokens whose keys and values a cache has to hold; undefined: all. */
  readonly longestWindow: number | undefined;
  /** Embedding and output projection as integers; of a tied table both are the same. Default: floats. */
  readonly integerEnds?:
    | { readonly embedding: HeldIntegers | undefined; readonly head: HeldIntegers | undefined }
    | undefined;
}

/** @param integers Default: all weights are floats */
export function plannedModel(model: CausalLm, integers: IntegerLayers = new Map()): PlannedModel {
  const elements = new Map(model.namedParameters().map(([path, { numElements }]) => [path, numElements]));
  const segments = model.segments();
  const [embedding] = segments;
  const blocks = model.layers.map((layer, index) =>
    blockShape(layer, `layers.${index}`, model.shape, integers),
  );
  const endOf = (parameters: readonly string[] = []): HeldIntegers | undefined =>
    parameters.flatMap((path) => integers.get(path.replace(/\.weight$/, '')) ?? [])[0];
  const resting = blocks.reduce((sum, { experts }) => {
    return sum + (experts === undefined ? 0 : experts.elements * (1 - experts.perToken / experts.count));
  }, 0);
  const outputSize = elements.has(`${SCORE}.weight`) ? 1 : model.shape.vocabSize;
  return {
    ...model.shape,
    tied: model.shape.tied && outputSize === model.shape.vocabSize,
    outputSize,
    blocks,
    embeddingElements: embedding?.parameters.reduce((sum, path) => sum + (elements.get(path) ?? 0), 0) ?? 0,
    elements: model.parameterCount(),
    activeElements: model.parameterCount() - resting,
    largest: Math.max(...elements.values()),
    windows: model.layers.map((_, layer) => model.slidingWindows[layer]),
    longestWindow: model.longestWindow,
    integerEnds: { embedding: endOf(embedding?.parameters), head: endOf(segments.at(-1)?.parameters) },
  };
}

function blockShape(
  layer: Block,
  path: string,
  { experts, hiddenSize }: ModelShape,
  integers: IntegerLayers,
): BlockShape {
  const linears = new Map(namedLinears(layer));
  const shapeOf = (part: string): LinearShape => {
    const linear = linears.get(part);
    if (linear === undefined) throw new TypeError(`${path} has no linear layer ${part}`);
    return { ...linearShape(`${path}.${part}`, linear), integers: integers.get(`${path}.${part}`) };
  };
  const { attentionIn, attentionOut, mlpIn, mlpOut } = layer.linears;
  return {
    attentionIn: attentionIn.map(shapeOf),
    attentionOut: shapeOf(attentionOut),
    mlpIn: mlpIn.map(shapeOf),
    mlpOut: mlpOut === undefined ? undefined : shapeOf(mlpOut),
    experts:
      mlpOut === undefined && experts !== undefined
        ? {
            ...experts,
            elements: 3 * experts.count * experts.intermediateSize * hiddenSize,
            routerElements: experts.count * hiddenSize,
          }
        : undefined,
    elements: layer.parameterCount(),
    integers: [...integers].flatMap(([own, held]) => (own.startsWith(`${path}.`) ? [held] : [])),
  };
}

/** All of a block, in the order in which they are computed. */
export function blockLinears({ attentionIn, attentionOut, mlpIn, mlpOut }: BlockShape): LinearShape[] {
  return [...attentionIn, attentionOut, ...mlpIn, ...(mlpOut === undefined ? [] : [mlpOut])];
}

function linearShape(path: string, { inFeatures, outFeatures, bias }: Linear): LinearShape {
  const elements = inFeatures * outFeatures + (bias === undefined ? 0 : outFeatures);
  return { path, inFeatures, outFeatures, elements };
}
