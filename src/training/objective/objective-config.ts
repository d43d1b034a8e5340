/** The `training.objective` section: a loss by name and its numbers, under the names that TRL gives them. */
import { z } from 'zod';

const LOSSES = ['dpo', 'ipo', 'orpo', 'kto', 'simpo', 'reward'] as const;

export type LossName = (typeof LOSSES)[number];

const settingsShape = {
  /** How far the policy may go from the reference; the scale of the rewards. */
  beta: z.number().positive().optional(),
  /** Probability that a preference is the wrong way round (cDPO, Mitchell 2023). */
  label_smoothing: z.number().min(0).lt(0.5).optional(),
  /** Margin that is asked for between chosen and rejected (SimPO, arXiv 2405.14734). */
  simpo_gamma: z.number().nonnegative().optional(),
  /** What a wanted, or an unwanted, answer counts (KTO, arXiv 2402.01306). */
  desirable_weight: z.number().positive().optional(),
  undesirable_weight: z.number().positive().optional(),
  /** Pulls the scores of a reward model towards a mean of 0 (arXiv 2312.09244). */
  center_rewards_coefficient: z.number().positive().optional(),
};

type SettingName = keyof typeof settingsShape;

/** What each loss reads, with TRL's defaults; undefined: off. */
const SETTINGS = {
  dpo: { beta: 0.1, label_smoothing: 0 },
  ipo: { beta: 0.1 },
  orpo: { beta: 0.1 },
  kto: { beta: 0.1, desirable_weight: 1, undesirable_weight: 1 },
  simpo: { beta: 0.1, simpo_gamma: 0.5, label_smoothing: 0 },
  reward: { center_rewards_coefficient: undefined },
} as const satisfies Record<LossName, Partial<Record<SettingName, number | undefined>>>;

type Settings<Loss extends LossName> = {
  readonly [Key in keyof (typeof SETTINGS)[Loss]]: undefined extends (typeof SETTINGS)[Loss][Key]
    ? number | undefined
    : number;
};

export type ObjectiveConfig = {
  readonly [Loss in LossName]: { readonly loss: Loss } & Settings<Loss>;
}[LossName];

export const objectiveSchema = z
  .strictObject({ loss: z.enum(LOSSES), ...settingsShape })
  .superRefine((given, context) => {
    const read: readonly string[] = Object.keys(SETTINGS[given.loss]);
    for (const [key, value] of Object.entries(given)) {
      if (key === 'loss' || value === undefined || read.includes(key)) continue;
      const owners = LOSSES.filter((loss) => Object.hasOwn(SETTINGS[loss], key));
      context.addIssue({
        code: 'custom',
        path: [key],
        message: `${key} belongs to the loss ${owners.join(', ')}; ${given.loss} reads ${read.join(', ')}`,
      });
    }
  })
  .transform(({ loss, ...given }): ObjectiveConfig => {
    const value = (key: SettingName, fallback: number): number => given[key] ?? fallback;
    switch (loss) {
      case 'dpo':
        return {
          loss,
          beta: value('beta', SETTINGS.dpo.beta),
          label_smoothing: value('label_smoothing', SETTINGS.dpo.label_smoothing),
        };
      case 'ipo':
      case 'orpo':
        return { loss, beta: value('beta', SETTINGS[loss].beta) };
      case 'kto':
        return {
          loss,
          beta: value('beta', SETTINGS.kto.beta),
          desirable_weight: value('desirable_weight', SETTINGS.kto.desirable_weight),
          undesirable_weight: value('undesirable_weight', SETTINGS.kto.undesirable_weight),
        };
      case 'simpo':
        return {
          loss,
          beta: value('beta', SETTINGS.simpo.beta),
          simpo_gamma: value('simpo_gamma', SETTINGS.simpo.simpo_gamma),
          label_smoothing: value('label_smoothing', SETTINGS.simpo.label_smoothing),
        };
      case 'reward':
        return { loss, center_rewards_coefficient: given.center_rewards_coefficient };
    }
  });

/** Sequences of a row that go through the model with a graph: both answers, or the one that is judged. */
export function sequencesPerRow(loss: LossName | undefined): number {
  return loss === undefined || loss === 'kto' ? 1 : 2;
}

/** Does the loss compare with what the model said before training? */
export function needsReference({ loss }: ObjectiveConfig): boolean {
  return loss === 'dpo' || loss === 'ipo' || loss === 'kto';
}
