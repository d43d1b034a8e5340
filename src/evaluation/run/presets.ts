/** How the published tables were measured: which sets, how many examples, in which form. */
import type { PromptForm } from '../model/language-model.js';
import type { ScoringMode } from '../task.js';

export interface Preset {
  readonly tasks: readonly string[];
  /** By task, where it differs from the task's own. */
  readonly shots: Readonly<Record<string, number>>;
  readonly mode?: ScoringMode;
  readonly form?: PromptForm;
  readonly isSingleChoiceOnly?: boolean;
}

const SPARK = ['ceval', 'mmlu', 'cmmlu', 'agieval', 'arc-easy', 'arc-challenge', 'gaokao-bench', 'financeiq'];

export const PRESETS = {
  'spark-base': {
    tasks: SPARK,
    shots: { ceval: 5, mmlu: 5, cmmlu: 5, financeiq: 5, agieval: 0, 'arc-easy': 0, 'arc-challenge': 0 },
    mode: 'loglikelihood',
    form: 'plain',
  },
  'spark-chat': {
    tasks: SPARK,
    shots: { ceval: 0, mmlu: 0, cmmlu: 0, financeiq: 0, agieval: 0, 'arc-easy': 0, 'arc-challenge': 0 },
    mode: 'generate',
    form: 'chat',
  },
  telechat: {
    tasks: ['ceval', 'mmlu', 'cmmlu', 'agieval', 'gsm8k', 'math', 'humaneval', 'bbh', 'hellaswag'],
    shots: { ceval: 5, mmlu: 5, cmmlu: 5, agieval: 0, gsm8k: 4, math: 4, bbh: 3, hellaswag: 0 },
  },
  xverse: {
    tasks: ['mmlu', 'ceval', 'agieval', 'gaokao-bench', 'gaokao-english'],
    shots: { mmlu: 5, ceval: 5, agieval: 5, 'gaokao-english': 5 },
    mode: 'loglikelihood',
    isSingleChoiceOnly: true,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = [
  'spark-base',
  'spark-chat',
  'telechat',
  'xverse',
] as const satisfies readonly PresetName[];

export function presetOf(name: PresetName | undefined): Preset | undefined {
  return name === undefined ? undefined : PRESETS[name];
}
