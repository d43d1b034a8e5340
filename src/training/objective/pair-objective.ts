/** Objectives over chosen and rejected answers: one forward pass for both, chosen rows first. Shapes: B records, R = 2 B. */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import type { Tensor } from '../../tensor/index.js';
import { arrangeRows, weightTensor } from './arrange-rows.js';
import type { LossSums, MetricSum, Objective, ObjectiveBatch, PreparedBatch } from './objective.js';
import type { ObjectiveConfig } from './objective-config.js';
import { dpoLosses, ipoLosses, oddsRatioLosses, type PairLosses, simpoLosses } from './preference-losses.js';
import {
  answerLogProbs,
  arrangeSequences,
  numbersTensor,
  type SequenceTensors,
  sequencesInTurn,
  sumOf,
} from './sequence-batch.js';

export type PairObjectiveConfig = Extract<ObjectiveConfig, { loss: 'dpo' | 'ipo' | 'orpo' | 'simpo' }>;

export function pairObjective(config: PairObjectiveConfig, padTokenId: number): Objective {
  return { arrange: (rows) => arrange(rows, config, padTokenId) };
}

/** A micro-batch of pairs before its forward pass. */
interface Pairs {
  readonly rows: readonly Row[];
  readonly tensors: SequenceTensors;
  /** Tokens of the answers: chosen, then rejected. */
  readonly answerTokens: readonly number[];
  readonly model: CausalLm;
  /** Chosen, then rejected. */
  readonly sequences: readonly Row[];
}

function arrange(rows: readonly Row[], config: PairObjectiveConfig, padTokenId: number): ObjectiveBatch {
  const sequences = sequencesInTurn(rows);
  const batch = arrangeSequences(sequences, padTokenId);
  const answers = sumOf(batch.answerTokens);
  const chosenTokens = sumOf(batch.lengths.slice(0, rows.length).map((length) => length - 1));
  return {
    learned: answers,
    // ORPO learns chosen sequences by cross-entropy, their prompts too, as TRL does.
    divisors: { tokens: config.loss === 'orpo' ? chosenTokens : answers, records: rows.length },
    prepare(model): PreparedBatch {
      const tensors = batch.tensors(model);
      const pairs: Pairs = { rows, sequences, tensors, answerTokens: batch.answerTokens, model };
      return {
        inputIds: tensors.inputIds,
        lengths: batch.lengths,
        sums: (logits) => pairSums(logits, pairs, config),
      };
    },
  };
}

/** 1 for every token but the first of each chosen sequence, 0 for padding [B, T]. */
function chosenWeights({ sequences, rows: { length: count }, model }: Pairs): Tensor {
  const whole = sequences.map(({ ids }, index) => ({
    ids,
    lossMask: Array.from(ids, () => (index < count ? 1 : 0)),
  }));
  const { mask, shape } = arrangeRows(whole, 0);
  return weightTensor(mask, shape, model)
    .narrow(0, 0, count)
    .narrow(1, 1, shape[1] - 1);
}

function pairSums(logits: Tensor, pairs: Pairs, config: PairObjectiveConfig): LossSums {
  const { rows, tensors, answerTokens, model } = pairs;
  const count = rows.length;
  const logProbs = answerLogProbs(logits, tensors); // [R]
  switch (config.loss) {
    case 'dpo':
    case 'ipo': {
      const [chosen, rejected] = halves(logProbs, count);
      const [referenceChosen, referenceRejected] = halves(numbersTensor(referencesOf(rows), model), count);
      const referenced = { chosen, rejected, referenceChosen, referenceRejected };
      const [chosenTokens, rejectedTokens] = halves(numbersTensor(answerTokens, model), count);
      const found =
        config.loss === 'dpo'
          ? dpoLosses(referenced, { beta: config.beta, labelSmoothing: config.label_smoothing })
          : ipoLosses(referenced, { beta: config.beta, chosenTokens, rejectedTokens });
      return { perRecord: found.losses.sum(), metrics: pairMetrics(found, { chosen, rejected }) };
    }
    case 'simpo': {
      const means = meansOf(logProbs, pairs);
      const found = simpoLosses(means, {
        beta: config.beta,
        gamma: config.simpo_gamma,
        labelSmoothing: config.label_smoothing,
      });
      return { perRecord: found.losses.sum(), metrics: pairMetrics(found, means) };
    }
    case 'orpo': {
      const means = meansOf(logProbs, pairs);
      const found = oddsRatioLosses(means, config);
      const weights = chosenWeights(pairs);
      const perToken = model.crossEntropySum(
        logits.narrow(0, 0, count),
        tensors.targets.narrow(0, 0, count),
        weights,
      );
      const tokens = weights.sum().item();
      return {
        perToken,
        perRecord: found.losses.sum(),
        metrics: [
          ...pairMetrics(found, means),
          { name: 'nll_loss', sum: perToken.item(), count: tokens },
          { name: 'log_odds_chosen', sum: found.logOdds.sum().item(), count },
          { name: 'log_odds_ratio', sum: found.losses.sum().item() / -config.beta, count },
        ],
      };
    }
  }
}

function meansOf(
  logProbs: Tensor,
  { answerTokens, model, rows }: Pairs,
): { chosen: Tensor; rejected: Tensor } {
  const [chosen, rejected] = halves(logProbs.div(numbersTensor(answerTokens, model)), rows.length);
  return { chosen, rejected };
}

function halves(both: Tensor, count: number): [Tensor, Tensor] {
  return [both.narrow(0, 0, count), both.narrow(0, count, count)];
}

/** Of all chosen, then of all rejected answers. @throws TypeError where they were not computed */
function referencesOf(rows: readonly Row[]): number[] {
  return [0, 1].flatMap((side) => rows.map((row) => referenceOf(row, side)));
}

export function referenceOf({ comparison }: Row, sequence: number): number {
  const known = comparison?.referenceLogProbs?.[sequence];
  if (known === undefined) throw new TypeError('a row without the log-probabilities of the reference');
  return known;
}

/** What a pair's answers are worth to the model, and how often it prefers the right one. */
export function pairMetrics(
  { chosenRewards, rejectedRewards }: Omit<PairLosses, 'losses'>,
  logProbs?: { readonly chosen: Tensor; readonly rejected: Tensor },
): MetricSum[] {
  const chosen = chosenRewards.detach().toArray();
  const rejected = rejectedRewards.detach().toArray();
  const count = chosen.length;
  const margins = chosen.map((reward, index) => reward - (rejected[index] ?? Number.NaN));
  const mean = (name: string, values: readonly number[]): MetricSum => ({ name, sum: sumOf(values), count });
  return [
    mean('rewards/chosen', chosen),
    mean('rewards/rejected', rejected),
    mean('rewards/margins', margins),
    mean(
      'rewards/accuracies',
      margins.map((margin) => (margin > 0 ? 1 : 0)),
    ),
    ...(logProbs === undefined
      ? []
      : [
          mean('logps/chosen', logProbs.chosen.detach().toArray()),
          mean('logps/rejected', logProbs.rejected.detach().toArray()),
        ]),
  ];
}
