/** What one of `tensor` ranks has of a model, as the table of its family cuts it: the shapes that its memory follows from. */

import { type HeldIntegers, product } from '../../checkpoint/index.js';
import { type Architecture, type CausalLm, hasAllKeyValues, modelCuts } from '../../models/index.js';
import type { BlockShape, LinearShape, PlannedModel } from './planned-model.js';

/** @param shapesOnly the model that `whole` was made of */
export function partOfModel(
  whole: PlannedModel,
  shapesOnly: CausalLm,
  { tables: { sharding } }: Pick<Architecture, 'tables'>,
  tensor: number,
): PlannedModel {
  if (tensor === 1) return whole;
  // The first rank's parts are never greater than the others' by more than a row.
  const cuts = modelCuts(shapesOnly, sharding, { rank: tensor - 1, size: tensor });
  const elements = new Map(
    shapesOnly
      .namedParameters()
      .map(([path, { shape }]) => [path, product(cuts.get(path)?.partShape ?? shape)]),
  );
  const total = (paths: Iterable<string>): number =>
    [...paths].reduce((sum, path) => sum + (elements.get(path) ?? 0), 0);
  const layers = new Map(shapesOnly.namedParameters().map(([path, { shape }]) => [path, shape]));
  const linear = (shape: LinearShape, isOutput: boolean): LinearShape => {
    const cut = cuts.get(`${shape.path}.weight`);
    const own = total([`${shape.path}.weight`, `${shape.path}.bias`]);
    if (cut === undefined) return { ...shape, elements: own };
    return isOutput
      ? { ...shape, elements: own, outFeatures: shape.outFeatures / tensor }
      : { ...shape, elements: own, inFeatures: shape.inFeatures / tensor };
  };
  const part = ({ bits, elements: all, bytes }: HeldIntegers): HeldIntegers => ({
    bits,
    elements: all / tensor,
    bytes: bytes / tensor,
  });
  const block = (shape: BlockShape, index: number): BlockShape => ({
    attentionIn: shape.attentionIn.map((each) => linear(each, true)),
    attentionOut: linear(shape.attentionOut, false),
    mlpIn: shape.mlpIn.map((each) => linear(each, true)),
    mlpOut: shape.mlpOut && linear(shape.mlpOut, false),
    experts: shape.experts && {
      ...shape.experts,
      elements: shape.experts.elements / tensor,
      intermediateSize: shape.experts.intermediateSize / tensor,
    },
    elements: total([...layers.keys()].filter((path) => path.startsWith(`layers.${index}.`))),
    integers: shape.integers.map(part),
  });
  const all = total(elements.keys());
  const [embedding] = shapesOnly.segments();
  const hasAll = hasAllKeyValues(whole, tensor);
  return {
    ...whole,
    numHeads: whole.numHeads / tensor,
    // At most one for each of its heads of queries.
    numKvHeads: hasAll ? Math.min(whole.numKvHeads, whole.numHeads / tensor) : whole.numKvHeads / tensor,
    outputSize: whole.outputSize === 1 ? 1 : Math.ceil(whole.outputSize / tensor),
    blocks: whole.blocks.map(block),
    embeddingElements: total(embedding?.parameters ?? []),
    elements: all,
    activeElements: all * (whole.activeElements / whole.elements),
    largest: Math.max(...elements.values()),
    integerEnds: whole.integerEnds && {
      embedding: whole.integerEnds.embedding && part(whole.integerEnds.embedding),
      head: whole.integerEnds.head && part(whole.integerEnds.head),
    },
  };
}
