/** Figures and samples of one run. */
import { element, make } from './elements.js';
import { bytes, compact, duration, loss, percent, short } from './numbers.js';
import type { Sample, Snapshot } from './run-data.js';
import type { Language, TextKey, Texts } from './texts.js';

let shownSamples = '';

export function drawFigures({ columns, evaluations, run }: Snapshot, say: Texts, language: Language): void {
  const last = (values: readonly (number | null)[]): number => values.at(-1) ?? Number.NaN;
  const isDone = run.ended && last(columns.step) >= (run.total_steps ?? 0);
  const evaluation = evaluations.at(-1);
  const best = evaluations.findLast(({ is_best }) => is_best);
  const figures: [TextKey, string, string][] = [
    ['loss', loss(last(columns.loss)), ''],
    [
      'evaluation',
      loss(evaluation?.eval_loss ?? Number.NaN),
      best === undefined ? '' : `${say.best} ${loss(best.eval_loss ?? Number.NaN)} (${short(best.step)})`,
    ],
    ['speedShort', short(last(columns.tokens_per_second)), ''],
    ['mfuShort', percent(last(columns.mfu)), ''],
    [
      'memory',
      bytes(last(columns.memory_bytes)),
      `${say.memoryPeak} ${bytes(last(columns.peak_memory_bytes))}`,
    ],
    ['learningRate', compact(last(columns.learning_rate)), ''],
    ['gradNormShort', compact(last(columns.grad_norm)), ''],
    [
      'timeLeft',
      duration(isDone ? 0 : run.ended ? Number.NaN : (run.remaining_seconds ?? Number.NaN), language),
      '',
    ],
  ];
  element('figures').replaceChildren(
    ...figures.map(([key, value, note]) => {
      const description = make('dd', { text: value }, make('small', { text: note }));
      return make('dl', { className: 'figure' }, make('dt', { text: say[key] }), description);
    }),
  );
}

/** The newest first; drawn anew only when there are new ones, so that a reader keeps the place. */
export function drawSamples(samples: readonly Sample[], say: Texts): void {
  const last = samples.at(-1);
  const state = `${say.samples} ${samples.length} ${last?.step} ${last?.text}`;
  if (state === shownSamples) return;
  shownSamples = state;
  const paragraph = (text: string, className: string): HTMLElement => make('p', { className, text });
  const items = samples.toReversed().map(({ step, prompt, text }) => {
    const small = make('small', { text: `${say.step} ${step.toLocaleString('en')}` });
    return make(
      'article',
      { className: 'sample' },
      small,
      paragraph(prompt, 'prompt'),
      paragraph(text, 'answer'),
    );
  });
  element('samples').replaceChildren(...(items.length === 0 ? [paragraph(say.noSamples, 'prompt')] : items));
}
