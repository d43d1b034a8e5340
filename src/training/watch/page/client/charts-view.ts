/** The charts: of one run in all detail, of several over one another. */
import { alignRuns } from './aligned.js';
import { Chart, type ChartContent, type ChartPoint, type Series } from './chart.js';
import { chartRange } from './chart-range.js';
import { element, input } from './elements.js';
import { bytes, compact, loss, percent, short } from './numbers.js';
import type { Snapshot } from './run-data.js';
import type { ShownRun } from './run-list.js';
import { drawTasks } from './tasks-view.js';
import { beyondText, type Language, phaseName, type TextKey, type Texts } from './texts.js';

const charts = {
  loss: new Chart(element('chart-loss')),
  learningRate: new Chart(element('chart-learning-rate')),
  gradNorm: new Chart(element('chart-grad-norm')),
  speed: new Chart(element('chart-speed')),
  mfu: new Chart(element('chart-mfu')),
  memory: new Chart(element('chart-memory')),
  phases: new Chart(element('chart-phases')),
  rewards: new Chart(element('chart-rewards')),
  accuracies: new Chart(element('chart-accuracies')),
  logps: new Chart(element('chart-logps')),
  distillation: new Chart(element('chart-distillation')),
};

interface DrawnRun {
  readonly run: ShownRun;
  readonly snapshot: Snapshot;
  readonly steps: readonly number[];
}

type Column = 'learning_rate' | 'grad_norm' | 'tokens_per_second' | 'mfu' | 'memory_bytes';
export type Shared = Pick<ChartContent, 'formatX' | 'emptyText' | 'showsAll' | 'beyondText'>;

export function drawCharts(
  drawn: readonly ShownRun[],
  chosen: ShownRun,
  say: Texts,
  language: Language,
): void {
  const all = drawn.flatMap((run): DrawnRun[] => {
    const { snapshot } = run.data;
    return snapshot === undefined ? [] : [{ run, snapshot, steps: stepsOf(snapshot) }];
  });
  const shared: Shared = {
    formatX: short,
    emptyText: say.noData,
    showsAll: input('shows-all').checked,
    beyondText: (count, farthest) => beyondText(language, count, farthest),
  };
  drawLoss(all, say, shared);
  const single = (chart: Chart, key: TextKey, column: Column, format: (value: number) => string): void => {
    const { x, values } = alignRuns(
      all.map(({ steps, snapshot }) => ({ steps, values: snapshot.columns[column] })),
    );
    chart.show({
      ...shared,
      x,
      label: labelOf(say[key], format(values[0]?.at(-1) ?? Number.NaN), say),
      series: all.map(({ run }, index) =>
        seriesOf(run, all.length > 1 ? run.label : say[key], values[index] ?? [], all.length === 1),
      ),
      fromZero: true,
      format,
    });
  };
  single(charts.learningRate, 'learningRate', 'learning_rate', compact);
  single(charts.gradNorm, 'gradNormShort', 'grad_norm', compact);
  single(charts.speed, 'speed', 'tokens_per_second', short);
  single(charts.mfu, 'mfuShort', 'mfu', percent);
  if (all.length > 1) single(charts.memory, 'memory', 'memory_bytes', bytes);
  else drawMemory(chosen, say, shared);
  drawPhases(chosen, say, shared);
  drawObjectives(all, say, shared);
  drawTasks(
    all.map(({ run, snapshot }) => ({ run, measured: snapshot.task_scores })),
    say,
    shared,
  );
}

function stepsOf({ columns }: Snapshot): number[] {
  return columns.step.map((step) => step ?? 0);
}

function labelOf(title: string, value: string, say: Texts): string {
  return `${title}: ${value}. ${say.chartHelp}`;
}

/** @param inLegend not of several runs: the list of runs tells their colours */
function seriesOf(
  { color, isDashed }: ShownRun,
  name: string,
  values: readonly (number | null)[],
  inLegend: boolean,
): Series {
  return { name, color, isDashed, values, inLegend };
}

function drawLoss(all: readonly DrawnRun[], say: Texts, shared: Shared): void {
  const weight = Number(input('smoothing').value) / 100;
  const clips = shared.showsAll !== true && !input('log-y').checked;
  const { x, values } = alignRuns(
    all.map(({ steps, snapshot }) => ({ steps, values: smooth(snapshot.columns.loss, weight, clips) })),
  );
  const [only] = all;
  const isAlone = all.length === 1 && only !== undefined;
  const smoothed = all.map(({ run }, index) =>
    seriesOf(run, isAlone ? say.lossSmooth : run.label, values[index] ?? [], isAlone),
  );
  charts.loss.show({
    ...shared,
    x,
    label: labelOf(say.loss, loss(values[0]?.at(-1) ?? Number.NaN), say),
    // Of several runs the plain values would cover one another.
    series: isAlone
      ? [
          { name: say.lossRaw, color: only.run.color, values: only.snapshot.columns.loss, faint: true },
          ...smoothed,
        ]
      : smoothed,
    points: {
      name: say.evaluationDot,
      strongName: say.bestDot,
      color: isAlone ? '--s2' : '--soft',
      values: all.flatMap(({ run, snapshot }) => evaluationPoints(snapshot, say, isAlone ? undefined : run)),
    },
    logX: input('log-x').checked,
    logY: input('log-y').checked,
    format: (value) => (Math.abs(value) < 10 ? String(Number(value.toFixed(3))) : short(value)),
  });
}

/** @param run of several: named, in its colour */
function evaluationPoints({ evaluations }: Snapshot, say: Texts, run: ShownRun | undefined): ChartPoint[] {
  return evaluations.map(({ step, eval_loss, is_best }) => {
    const value = eval_loss ?? Number.NaN;
    const name = run === undefined ? '' : `${run.label}, `;
    const best = is_best ? `, ${say.best}` : '';
    return {
      x: step,
      y: value,
      isStrong: is_best,
      title: `${name}${say.step} ${step}: ${say.evaluation} ${loss(value)}${best}`,
      ...(run !== undefined && { color: run.color }),
    };
  });
}

function drawMemory({ data: { snapshot } }: ShownRun, say: Texts, shared: Shared): void {
  if (snapshot === undefined) return;
  const { columns } = snapshot;
  charts.memory.show({
    ...shared,
    x: stepsOf(snapshot),
    label: labelOf(say.memory, bytes(columns.memory_bytes.at(-1) ?? Number.NaN), say),
    series: [
      { name: say.memoryNow, color: '--s1', values: columns.memory_bytes },
      { name: say.memoryPeak, color: '--s2', values: columns.peak_memory_bytes },
    ],
    fromZero: true,
    format: bytes,
  });
}

type ObjectiveChart = 'rewards' | 'accuracies' | 'logps' | 'distillation';
type ObjectiveColumn = Extract<
  keyof Snapshot['columns'],
  `${'rewards' | 'logps'}/${string}` | 'distillation_loss' | 'nll_loss'
>;

/** What is drawn of an objective's measures; of several runs the first column alone. */
const OBJECTIVE_LINES: Readonly<
  Record<ObjectiveChart, readonly (readonly [column: ObjectiveColumn, key: TextKey])[]>
> = {
  rewards: [
    ['rewards/margins', 'margins'],
    ['rewards/chosen', 'chosen'],
    ['rewards/rejected', 'rejected'],
  ],
  accuracies: [['rewards/accuracies', 'accuracies']],
  logps: [
    ['logps/chosen', 'chosen'],
    ['logps/rejected', 'rejected'],
  ],
  distillation: [
    ['distillation_loss', 'teacherTerm'],
    ['nll_loss', 'crossEntropy'],
  ],
};

/** Charts without a value, as in a run that learns by cross-entropy, are not shown. */
function drawObjectives(all: readonly DrawnRun[], say: Texts, shared: Shared): void {
  for (const name of ['rewards', 'accuracies', 'logps', 'distillation'] as const) {
    const lines = OBJECTIVE_LINES[name];
    // ORPO has a cross-entropy and no teacher.
    const telling = name === 'distillation' ? lines.slice(0, 1) : lines;
    const isKnown = all.some(({ snapshot }) =>
      telling.some(([column]) => snapshot.columns[column].some((value) => value !== null)),
    );
    element(`${name}-card`).classList.toggle('hidden', !isKnown);
    if (!isKnown) continue;
    const drawn = all.flatMap(({ run, snapshot, steps }) =>
      (all.length === 1 ? lines : lines.slice(0, 1)).map(([column, key], index) => ({
        run,
        steps,
        values: snapshot.columns[column],
        name: all.length === 1 ? say[key] : run.label,
        color: all.length === 1 ? `--s${index + 1}` : run.color,
      })),
    );
    const { x, values } = alignRuns(drawn);
    const format = name === 'accuracies' ? percent : compact;
    charts[name].show({
      ...shared,
      x,
      label: labelOf(say[name], format(values[0]?.at(-1) ?? Number.NaN), say),
      series: drawn.map(({ run, name: own, color }, index) => ({
        name: own,
        color,
        isDashed: all.length > 1 && run.isDashed,
        values: values[index] ?? [],
        inLegend: all.length === 1,
      })),
      format,
    });
  }
}

function drawPhases({ data: { snapshot } }: ShownRun, say: Texts, shared: Shared): void {
  if (snapshot === undefined) return;
  charts.phases.show({
    ...shared,
    x: stepsOf(snapshot),
    label: say.phases,
    stacked: true,
    series: Object.entries(snapshot.phases).map(
      ([name, values], index): Series => ({
        name: phaseName(name, say),
        color: `--s${(index % 8) + 1}`,
        values,
      }),
    ),
    format: (value) => compact(value),
  });
}

/** An exponential mean, corrected for its start (Kingma & Ba, arXiv 1412.6980, section 3). */
function smooth(values: readonly (number | null)[], weight: number, clips: boolean): (number | null)[] {
  const range = chartRange(values, { fromZero: false, logY: false, clips });
  let mean = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null || range === undefined) return null;
    // What lies beyond the chart would draw the mean after it for many steps.
    if (value < range.low || value > range.high) return count === 0 ? null : mean / (1 - weight ** count);
    mean = weight * mean + (1 - weight) * value;
    count += 1;
    return mean / (1 - weight ** count);
  });
}
