/** Next-token prediction: every token counts by its weight in the loss mask. */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import {
  type LossAlignment,
  learnedWeight,
  lossDivisor,
  predictionWeights,
  readsLastToken,
  trainingBatch,
} from '../step/loss-weights.js';
import type { TrainingBatch } from '../step/segments.js';
import { arrangeRows, idTensor, weightTensor } from './arrange-rows.js';
import type { Objective, ObjectiveBatch } from './objective.js';

export interface CrossEntropyOptions {
  readonly padTokenId: number;
  /** Read each text of a packed row on its own, as if it were alone in it. Default false: attention spans the row. */
  readonly documentAttention?: boolean | undefined;
  readonly lossAlignment: LossAlignment;
}

export function crossEntropy(options: CrossEntropyOptions): Objective {
  return { arrange: (rows) => arrange(rows, options) };
}

function arrange(rows: readonly Row[], options: CrossEntropyOptions): ObjectiveBatch {
  const { learned, divisors, tensors } = arrangeTexts(rows, options);
  return {
    learned,
    divisors,
    prepare(model: CausalLm) {
      const { inputIds, documents, targets, weights } = tensors(model, readsLastToken(model));
      return {
        inputIds,
        documents,
        lengths: rows.map(({ ids }) => ids.length),
        sums: (logits) => ({ perToken: model.crossEntropySum(logits, targets, weights) }),
      };
    },
  };
}

/** A micro-batch of texts whose next tokens are learned. Shapes: R rows, T predictions in the longest. */
export interface TextBatch extends Pick<ObjectiveBatch, 'learned' | 'divisors'> {
  /** What each prediction counts [R, T]. */
  readonly weights: Float32Array;
  /** @param readsLast the model reads the last token as well. Default false: T - 1 predictions */
  tensors(model: CausalLm, readsLast?: boolean): TrainingBatch;
}

export function arrangeTexts(
  rows: readonly Row[],
  { padTokenId, documentAttention, lossAlignment }: CrossEntropyOptions,
): TextBatch {
  const { ids, mask, shape } = arrangeRows(rows, padTokenId);
  const [, length] = shape;
  const documents = documentAttention === true ? rows.map((row) => documentsOf(row, length)) : undefined;
  // The first token of a text is not predicted from the text before it.
  const offset = lossAlignment === 'target' ? 0 : -1;
  for (const [index, starts] of documents?.map(startsOf).entries() ?? [])
    for (const start of starts) mask[index * length + start + offset] = 0;
  const learned = learnedWeight(mask, shape, lossAlignment);
  return {
    learned,
    divisors: { tokens: lossDivisor(learned, lossAlignment), records: rows.length },
    weights: predictionWeights(mask, shape, lossAlignment),
    tensors: (model, readsLast = false) => ({
      ...trainingBatch(
        idTensor(ids, shape, model),
        weightTensor(mask, shape, model),
        lossAlignment,
        readsLast,
      ),
      documents: readsLast ? documents : documents?.map(withoutLast),
    }),
  };
}

/** Lengths of the texts of a row that is filled up to `length`; the padding is a text of its own. */
function documentsOf({ ids, documents = [ids.length] }: Row, length: number): number[] {
  return ids.length < length ? [...documents, length - ids.length] : [...documents];
}

/** Where all texts but the first begin. */
function startsOf(lengths: readonly number[]): number[] {
  let start = 0;
  return lengths.slice(0, -1).map((length) => {
    start += length;
    return start;
  });
}

/** The last token of a row is only a target. */
function withoutLast(lengths: readonly number[]): number[] {
  const last = lengths.at(-1) ?? 0;
  return last > 1 ? [...lengths.slice(0, -1), last - 1] : lengths.slice(0, -1);
}
