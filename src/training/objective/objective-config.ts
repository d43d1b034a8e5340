/** The `training.objective` section: a loss by name and its numbers, under the names that TRL gives them. */
import { z } from 'zod';

/** Over answers that are compared or judged. */
const PREFERENCE_LOSSES = ['dpo', 'ipo', 'orpo', 'kto', 'simpo', 'reward'] as const;
const LOSSES = [...PREFERENCE_LOSSES, 'distillation'] as const;

type PreferenceLoss = (typeof PREFERENCE_LOSSES)[number];
export type LossName = (typeof LOSSES)[number];

const settingsShape = {
  /** How far the policy may go from the reference; the scale of the rewards. Of distillation: see `DistillationConfig`. */
  beta: z.number().nonnegative().optional(),
  /** Probability that a preference is the wrong way round (cDPO, Mitchell 2023). */
  label_smoothing: z.number().min(0).lt(0.5).optional(),
  /** Margin that is asked for between chosen and rejected (SimPO, arXiv 2405.14734). */
  simpo_gamma: z.number().nonnegative().optional(),
  /** What a wanted, or an unwanted, answer counts (KTO, arXiv 2402.01306). */
  desirable_weight: z.number().positive().optional(),
  undesirable_weight: z.number().positive().optional(),
  /** Pulls the scores of a reward model towards a mean of 0 (arXiv 2312.09244). */
  center_rewards_coefficient: z.number().positive().optional(),
  teacher: z.string().min(1).optional(),
  temperature: z.number().positive().optional(),
  alpha: z.number().positive().max(1).optional(),
};

type SettingName = keyof typeof settingsShape;

/** What each loss reads, with TRL's defaults but for distillation; undefined: off, or required. */
const SETTINGS = {
  dpo: { beta: 0.1, label_smoothing: 0 },
  ipo: { beta: 0.1 },
  orpo: { beta: 0.1 },
  kto: { beta: 0.1, desirable_weight: 1, undesirable_weight: 1 },
  simpo: { beta: 0.1, simpo_gamma: 0.5, label_smoothing: 0 },
  reward: { center_rewards_coefficient: undefined },
  distillation: { teacher: undefined, temperature: 1, alpha: 0.5, beta: 0 },
} as const satisfies Record<LossName, Partial<Record<SettingName, number | undefined>>>;

type Settings<Loss extends PreferenceLoss> = {
  readonly [Key in keyof (typeof SETTINGS)[Loss]]: undefined extends (typeof SETTINGS)[Loss][Key]
    ? number | undefined
    : number;
};

/** Over answers that are compared or judged. */
export type PreferenceConfig = {
  readonly [Loss in PreferenceLoss]: { readonly loss: Loss } & Settings<Loss>;
}[PreferenceLoss];

/** Next tokens, learned from a teacher's distribution beside the texts themselves. */
export interface DistillationConfig {
  readonly loss: 'distillation';
  /** A model folder or weight file. */
  readonly teacher: string;
  /** Divides the logits of both before they are compared. */
  readonly temperature: number;
  /** Weight of the teacher's term; that of the cross-entropy is 1 - alpha. */
  readonly alpha: number;
  /** 0: KL from the teacher (forward); 1: from the student (reverse); between: generalised Jensen-Shannon (arXiv 2306.13649). */
  readonly beta: number;
}

export type ObjectiveConfig = PreferenceConfig | DistillationConfig;

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
    const refuse = (path: SettingName, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    const { loss, beta, teacher } = given;
    if (loss === 'distillation') {
      if (teacher === undefined)
        refuse(
          'teacher',
          'distillation needs a teacher: the folder or weight file of the model to learn from',
        );
      if (beta !== undefined && beta > 1)
        refuse('beta', `beta is ${beta}; distillation takes 0 (forward KL) to 1 (reverse KL)`);
    } else if (beta === 0) refuse('beta', `beta is 0; ${loss} takes a number above 0`);
  })
  .transform(({ loss, ...given }): ObjectiveConfig => {
    const value = (key: Exclude<SettingName, 'teacher'>, fallback: number): number => given[key] ?? fallback;
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
      case 'distillation':
        return {
          loss,
          teacher: given.teacher ?? '',
          temperature: value('temperature', SETTINGS.distillation.temperature),
          alpha: value('alpha', SETTINGS.distillation.alpha),
          beta: value('beta', SETTINGS.distillation.beta),
        };
    }
  });

/** Sequences of a row that go through the model with a graph: both answers, or the one that is judged. */
export function sequencesPerRow(loss: LossName | undefined): number {
  return loss === undefined || loss === 'kto' || loss === 'distillation' ? 1 : 2;
}

/** Does it learn from answers that are compared or judged, in place of texts? */
export function comparesAnswers(objective: ObjectiveConfig | undefined): objective is PreferenceConfig {
  return objective !== undefined && objective.loss !== 'distillation';
}

/** Does the loss compare with what the model said before training? */
export function needsReference({ loss }: ObjectiveConfig): boolean {
  return loss === 'dpo' || loss === 'ipo' || loss === 'kto';
}
