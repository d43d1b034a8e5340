/** What objectives measure beside the loss, under TRL's names. */

export const OBJECTIVE_METRICS = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'kl',
  'nll_loss',
  'distillation_loss',
  'log_odds_chosen',
  'log_odds_ratio',
] as const;

/** Before the name of what was measured on held-out rows. */
export const EVALUATION_PREFIX = 'eval_';

/** The most telling of them, for a line that people read. */
export function metricTexts(metrics: Readonly<Record<string, number>> | undefined): string[] {
  if (metrics === undefined) return [];
  const { 'rewards/margins': margin, 'rewards/accuracies': accuracy, kl } = metrics;
  const { distillation_loss: distilled, nll_loss: likelihood } = metrics;
  return [
    ...(margin === undefined ? [] : [`margin ${margin.toPrecision(3)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${(100 * accuracy).toFixed(0)} %`]),
    ...(distilled === undefined || likelihood === undefined
      ? []
      : [`teacher ${distilled.toPrecision(3)}`, `cross-entropy ${likelihood.toPrecision(3)}`]),
    ...(kl === undefined ? [] : [`kl ${kl.toPrecision(3)}`]),
  ];
}
