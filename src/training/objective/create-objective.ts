/** The objective that a configuration names. */
import type { CausalLm } from '../../models/index.js';
import { distillation } from './distillation-objective.js';
import { ktoObjective } from './kto-objective.js';
import type { Objective } from './objective.js';
import type { ObjectiveConfig } from './objective-config.js';
import { pairObjective } from './pair-objective.js';
import { rewardObjective } from './reward-objective.js';

export interface ObjectiveOptions {
  /** Fills the sequences of a batch to one length. */
  readonly padTokenId: number;
  /** Of distillation: each text of a packed row is read on its own. Default false. */
  readonly documentAttention?: boolean | undefined;
  /** Of distillation: whose distribution is learned. */
  readonly teacher?: CausalLm | undefined;
}

export function createObjective(config: ObjectiveConfig, options: ObjectiveOptions): Objective {
  const { padTokenId, teacher } = options;
  switch (config.loss) {
    case 'dpo':
    case 'ipo':
    case 'simpo':
    case 'orpo':
      return pairObjective(config, padTokenId);
    case 'kto':
      return ktoObjective(config, padTokenId);
    case 'reward':
      return rewardObjective(config, padTokenId);
    case 'distillation':
      if (teacher === undefined) throw new TypeError('distillation without a teacher');
      return distillation(config, { ...options, teacher, lossAlignment: 'target' });
  }
}
