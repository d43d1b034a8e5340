/**
 * Sequences side by side in one batch, and the log-probability of the answer of each. Shapes: R sequences, T predictions,
 * V vocabulary.
 */
import { type Row, sequencesOf } from '../../data/index.js';
import type { CausalLm, CrossEntropySum } from '../../models/index.js';
import { floatTensor, operator, stack, type Tensor } from '../../tensor/index.js';
import { arrangeRows, idTensor, weightTensor } from './arrange-rows.js';

const unbind = operator('aten::unbind.int');

export interface SequenceBatch {
  /** Tokens of each answer. */
  readonly answerTokens: readonly number[];
  /** Ids of each sequence. */
  readonly lengths: readonly number[];
  tensors(model: CausalLm): SequenceTensors;
}

export interface SequenceTensors {
  readonly inputIds: Tensor; // int64 [R, T]
  readonly targets: Tensor; // int64 [R, T]
  /** 1 where a target belongs to an answer. */
  readonly weights: Tensor; // [R, T]
  /** The model's, for its logits. */
  readonly crossEntropySum: CrossEntropySum;
}

export function arrangeSequences(sequences: readonly Row[], padTokenId: number): SequenceBatch {
  const { ids, mask, shape } = arrangeRows(sequences, padTokenId);
  const predictions = shape[1] - 1;
  return {
    answerTokens: sequences.map(({ lossMask }) => {
      let count = 0;
      // The first id of a row is never predicted.
      for (let at = 1; at < lossMask.length; at++) count += lossMask[at] ?? 0;
      return count;
    }),
    lengths: sequences.map(({ ids: own }) => own.length),
    tensors(model) {
      const all = idTensor(ids, shape, model);
      return {
        inputIds: all.narrow(1, 0, predictions),
        targets: all.narrow(1, 1, predictions).contiguous(),
        weights: weightTensor(mask, shape, model).narrow(1, 1, predictions),
        crossEntropySum: model.crossEntropySum,
      };
    },
  };
}

/** The n-th sequence of every row, for each n in turn: first what was chosen, then what was rejected. */
export function sequencesInTurn(rows: readonly Row[]): Row[] {
  const byRow = rows.map(sequencesOf);
  const most = Math.max(...byRow.map(({ length }) => length));
  return Array.from({ length: most }, (_, nth) =>
    byRow.map((sequences) => {
      const sequence = sequences[nth];
      if (sequence === undefined) throw new TypeError('a row without its second sequence');
      return sequence;
    }),
  ).flat();
}

/**
 * Sum over the answer's tokens of log p(token | what is before it), in float32 at least.
 * @param logits [R, T, V] of the model whose tensors they are @returns [R]
 */
export function answerLogProbs(
  logits: Tensor,
  { targets, weights, crossEntropySum }: SequenceTensors,
): Tensor {
  return stack(
    unbind(logits).map((own, index) =>
      crossEntropySum(own, targets.select(0, index), weights.select(0, index)).neg(),
    ),
  );
}

/** A row of numbers on the device, in the dtype that losses are computed in. */
export function numbersTensor(values: readonly number[], model: CausalLm): Tensor {
  const { computeDType, device } = model;
  return floatTensor(values, [values.length], {
    dtype: computeDType === 'float64' ? 'float64' : 'float32',
    device,
  });
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
