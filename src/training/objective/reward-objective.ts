/** A reward model learns that chosen scores higher than rejected; a sequence's score is that of its last token. */
import type { Row } from '../../data/index.js';
import { lastScores } from '../../models/index.js';
import { arrangeRows, idTensor } from './arrange-rows.js';
import type { Objective, ObjectiveBatch } from './objective.js';
import type { ObjectiveConfig } from './objective-config.js';
import { pairMetrics } from './pair-objective.js';
import { rewardLosses } from './preference-losses.js';
import { arrangeSequences, numbersTensor, sequencesInTurn, sumOf } from './sequence-batch.js';

export type RewardConfig = Extract<ObjectiveConfig, { loss: 'reward' }>;

export function rewardObjective(config: RewardConfig, padTokenId: number): Objective {
  return { arrange: (rows) => arrange(rows, config, padTokenId) };
}

function arrange(rows: readonly Row[], config: RewardConfig, padTokenId: number): ObjectiveBatch {
  const sequences = sequencesInTurn(rows);
  const { ids, shape } = arrangeRows(sequences, padTokenId);
  const { lengths, answerTokens } = arrangeSequences(sequences, padTokenId);
  const count = rows.length;
  return {
    learned: count,
    divisors: { tokens: sumOf(answerTokens), records: count },
    prepare(model) {
      const margins = rows.map(({ comparison }) => comparison?.margin ?? 0);
      return {
        inputIds: idTensor(ids, shape, model),
        lengths,
        sums(output) {
          const scores = lastScores(output, lengths); // [2 B]
          const [chosen, rejected] = [scores.narrow(0, 0, count), scores.narrow(0, count, count)];
          const margin = numbersTensor(margins, model);
          const losses = rewardLosses({ chosen, rejected, margin }, config.center_rewards_coefficient);
          return {
            perRecord: losses.sum(),
            metrics: pairMetrics({ chosenRewards: chosen, rejectedRewards: rejected }),
          };
        },
      };
    },
  };
}
