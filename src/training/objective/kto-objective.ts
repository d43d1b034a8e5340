/**
 * KTO: answers that are wanted or not, each on its own. Beside each answer its row has one that belongs to another prompt; how
 * much likelier the model finds those than the reference does is the estimate of its distance from the reference, a number for
 * each micro-batch. Shapes: B records.
 */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import { noGrad, scope, type Tensor } from '../../tensor/index.js';
import { modelOutput } from '../step/segments.js';
import type { ComputeOutput, LossSums, MetricSum, Objective, ObjectiveBatch } from './objective.js';
import type { ObjectiveConfig } from './objective-config.js';
import { referenceOf } from './pair-objective.js';
import { ktoLosses } from './preference-losses.js';
import {
  answerLogProbs,
  arrangeSequences,
  numbersTensor,
  type SequenceBatch,
  sequencesInTurn,
  sumOf,
} from './sequence-batch.js';

export type KtoConfig = Extract<ObjectiveConfig, { loss: 'kto' }>;

export function ktoObjective(config: KtoConfig, padTokenId: number): Objective {
  return { arrange: (rows) => arrange(rows, config, padTokenId) };
}

function arrange(rows: readonly Row[], config: KtoConfig, padTokenId: number): ObjectiveBatch {
  const sequences = sequencesInTurn(rows);
  const answers = arrangeSequences(sequences.slice(0, rows.length), padTokenId);
  const mismatched = arrangeSequences(sequences.slice(rows.length), padTokenId);
  const learned = sumOf(answers.answerTokens);
  return {
    learned,
    divisors: { tokens: learned, records: rows.length },
    prepare(model, compute = (input) => modelOutput(model, input)) {
      const kl = distance(model, mismatched, rows, compute);
      const tensors = answers.tensors(model);
      return {
        inputIds: tensors.inputIds,
        lengths: answers.lengths,
        sums: (logits) => judgedSums(answerLogProbs(logits, tensors), { rows, model, kl, config }),
      };
    },
  };
}

/** Mean over the micro-batch, at least 0; 0 where another rank has the loss. */
function distance(
  model: CausalLm,
  mismatched: SequenceBatch,
  rows: readonly Row[],
  compute: ComputeOutput,
): number {
  const logProbs = scope(() =>
    noGrad(() => {
      const tensors = mismatched.tensors(model);
      const output = compute(tensors);
      return output === undefined ? [] : answerLogProbs(output, tensors).toArray();
    }),
  );
  const ratios = logProbs.map((value, index) => {
    const row = rows[index];
    return row === undefined ? 0 : value - referenceOf(row, 1);
  });
  return Math.max(0, sumOf(ratios) / rows.length);
}

function judgedSums(
  logProbs: Tensor,
  {
    rows,
    model,
    kl,
    config,
  }: {
    readonly rows: readonly Row[];
    readonly model: CausalLm;
    readonly kl: number;
    readonly config: KtoConfig;
  },
): LossSums {
  const isWanted = rows.map(({ comparison }) => comparison?.isDesirable === true);
  const numbers = (of: (wanted: boolean) => number): Tensor => numbersTensor(isWanted.map(of), model);
  const { losses, rewards } = ktoLosses(
    {
      logProbs,
      reference: numbersTensor(
        rows.map((row) => referenceOf(row, 0)),
        model,
      ),
      signs: numbers((wanted) => (wanted ? 1 : -1)),
      weights: numbers((wanted) => (wanted ? config.desirable_weight : config.undesirable_weight)),
    },
    { beta: config.beta, kl },
  );
  const found = { rewards: rewards.detach().toArray(), logps: logProbs.detach().toArray() };
  const metrics = (['rewards', 'logps'] as const).flatMap((what) =>
    [true, false].map((wanted): MetricSum => {
      const values = found[what].filter((_, index) => isWanted[index] === wanted);
      return {
        name: `${what}/${wanted ? 'chosen' : 'rejected'}`,
        sum: sumOf(values),
        count: values.length,
      };
    }),
  );
  return { perRecord: losses.sum(), metrics: [...metrics, { name: 'kl', sum: kl, count: 1 }] };
}
