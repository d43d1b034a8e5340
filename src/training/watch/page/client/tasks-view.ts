/** What evaluation tasks scored as the run went on: a line for each task, dashed what guessing would score. */
import { alignRuns } from './aligned.js';
import { Chart, type ChartContent, type Series } from './chart.js';
import { element } from './elements.js';
import { percent } from './numbers.js';
import type { TaskScores } from './run-data.js';
import type { ShownRun } from './run-list.js';
import type { Texts } from './texts.js';

const chart = new Chart(element('chart-tasks'));

interface MeasuredRun {
  readonly run: ShownRun;
  readonly measured: readonly TaskScores[];
}

interface TaskLine {
  readonly task: string;
  readonly color: string;
  readonly isDashed: boolean;
  readonly name: string;
  readonly chance: number | null;
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
}

export function drawTasks(
  runs: readonly MeasuredRun[],
  say: Texts,
  shared: Pick<ChartContent, 'formatX' | 'emptyText' | 'showsAll' | 'beyondText'>,
): void {
  const lines = runs.flatMap((own) => linesOf(own, runs.length === 1));
  element('tasks-card').classList.toggle('hidden', lines.length === 0);
  if (lines.length === 0) return;
  const { x, values } = alignRuns(lines);
  const chances = chanceLines(lines, x.length, say);
  chart.show({
    ...shared,
    x,
    label: `${say.tasks}: ${lines.map(({ name, values: own }) => `${name} ${percent(own.at(-1) ?? Number.NaN)}`).join(', ')}. ${say.chartHelp}`,
    series: [
      ...lines.map(
        ({ name, color, isDashed }, place): Series => ({
          name,
          color,
          isDashed,
          values: values[place] ?? [],
        }),
      ),
      ...chances,
    ],
    points: {
      name: say.measuredDot,
      strongName: '',
      color: '--soft',
      values: lines.flatMap(({ name, color, steps, values: own }) =>
        steps.map((step, place) => ({
          x: step,
          y: own[place] ?? Number.NaN,
          title: `${name}, ${say.step} ${step}: ${percent(own[place] ?? Number.NaN)}`,
          isStrong: false,
          color,
        })),
      ),
    },
    fromZero: true,
    // A score far from the others is what the reader looks for.
    showsAll: true,
    format: percent,
  });
}

/** The first metric of each task that is a share. */
function linesOf({ run, measured }: MeasuredRun, isAlone: boolean): TaskLine[] {
  const tasks = new Map<string, string>();
  for (const { task_scores: scores } of measured)
    for (const { task, metric } of scores)
      if (!tasks.has(task) && metric !== 'bits_per_byte') tasks.set(task, metric);
  return [...tasks].map(([task, metric], place) => {
    const found = measured.flatMap(({ step, task_scores: scores }) => {
      const own = scores.find((score) => score.task === task && score.metric === metric);
      return own === undefined ? [] : [{ step, ...own }];
    });
    return {
      task,
      color: isAlone ? `--s${(place % 8) + 1}` : run.color,
      isDashed: !isAlone && run.isDashed,
      name: isAlone ? `${task} ${metric}` : `${run.label} · ${task}`,
      chance: found.at(-1)?.chance ?? null,
      steps: found.map(({ step }) => step),
      values: found.map(({ score }) => score),
    };
  });
}

/** One line for all tasks of one chance. */
function chanceLines(lines: readonly TaskLine[], length: number, say: Texts): Series[] {
  const byChance = new Map<string, { readonly chance: number; readonly tasks: string[] }>();
  for (const { task, chance } of lines) {
    if (chance === null) continue;
    const known = byChance.get(chance.toFixed(4));
    if (known === undefined) byChance.set(chance.toFixed(4), { chance, tasks: [task] });
    else if (!known.tasks.includes(task)) known.tasks.push(task);
  }
  return [...byChance.values()].map(({ chance, tasks }) => ({
    name: byChance.size === 1 ? say.chance : `${say.chance}, ${tasks.join(', ')}`,
    color: '--soft',
    isDashed: true,
    values: new Array<number>(length).fill(chance),
  }));
}
