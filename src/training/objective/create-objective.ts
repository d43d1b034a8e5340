/** The objective that a configuration names. */

import { ktoObjective } from './kto-objective.js';
import type { Objective } from './objective.js';
import type { ObjectiveConfig } from './objective-config.js';
import { pairObjective } from './pair-objective.js';
import { rewardObjective } from './reward-objective.js';

/** @param padTokenId fills the sequences of a batch to one length */
export function createObjective(config: ObjectiveConfig, padTokenId: number): Objective {
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
  }
}
