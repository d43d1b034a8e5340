/** A comparison as a table for people, and for Markdown. */
import { sharedWarnings } from '../report/page/comparison-warning.js';
import { alignedTable, markdownTable } from '../report/text-table.js';
import type { MetricComparison, PairComparison, RunsComparison } from './compare-runs.js';

const BITS = 'bits_per_byte';

/** One row for each metric and each run that is compared with the first. */
function rowsOf({ runs, tasks }: RunsComparison): { columns: string[]; rows: string[][] } {
  const isPair = runs.length === 2;
  const labels = runs.map(({ label }) => label);
  const columns = [
    'task',
    'metric',
    'n',
    ...labels,
    ...(isPair ? [] : ['compared']),
    'difference',
    '95 %',
    ...(isPair ? labels.map((label) => `only ${label}`) : ['only first', 'only second']),
    'p',
    'McNemar',
  ];
  const rows = tasks.flatMap(({ task, common, metrics }) =>
    metrics.flatMap((metric) =>
      metric.against_first.map((pair) => [
        task,
        metric.metric,
        String(common),
        ...metric.scores.map((score) => scoreText(metric, score)),
        ...(isPair ? [] : [`${labels[pair.run]} - ${labels[0]}`]),
        ...differenceCells(metric, pair),
      ]),
    ),
  );
  return { columns, rows };
}

function scoreText({ metric }: MetricComparison, score: number): string {
  return metric === BITS ? score.toFixed(3) : (100 * score).toFixed(2);
}

function differenceCells(
  { metric }: MetricComparison,
  { difference, interval, mcnemar }: PairComparison,
): string[] {
  const signed = (value: number): string =>
    `${value < 0 ? '-' : '+'}${metric === BITS ? Math.abs(value).toFixed(3) : Math.abs(100 * value).toFixed(2)}`;
  return [
    signed(difference),
    interval === null ? '' : `${signed(interval[0])} to ${signed(interval[1])}`,
    ...(mcnemar === null
      ? ['', '', '', '']
      : [
          String(mcnemar.firstOnly),
          String(mcnemar.secondOnly),
          mcnemar.p < 1e-4 ? mcnemar.p.toExponential(1) : mcnemar.p.toFixed(4),
          mcnemar.method === 'exact' ? 'exact' : 'corrected',
        ]),
  ];
}

/** What is to be known before the numbers are; what several tasks have in common is said once. */
export function comparisonNotes({ tasks, notInAll }: RunsComparison): string[] {
  return [
    ...sharedWarnings(
      tasks.map(({ task, warnings }) => ({ name: task, warnings })),
      'en',
    ),
    ...(notInAll.length === 0 ? [] : [`not in every run, and left out: ${notInAll.join(', ')}`]),
  ];
}

export function comparisonText(comparison: RunsComparison): string {
  const { columns, rows } = rowsOf(comparison);
  return alignedTable({ columns, rows, textColumns: new Set([0, 1, columns.length - 1]) });
}

export function comparisonMarkdown(comparison: RunsComparison): string {
  const { columns, rows } = rowsOf(comparison);
  const notes = comparisonNotes(comparison).map((note) => `- ${note}`);
  const runs = comparison.runs.map(({ label, folder }) => `- ${label}: ${folder}`);
  return [
    markdownTable(columns, rows),
    'Scores in percent (bits_per_byte: bits) over the samples in common; the difference is second minus first, with its 95 % interval.',
    '',
    ...runs,
    ...notes,
    '',
  ].join('\n');
}
