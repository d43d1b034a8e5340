/** Results as a table for people, for CSV and for Markdown. */
import type { EvaluationResult } from '../run/run-evaluation.js';
import type { ResultEntry } from '../run/summarise.js';
import { PUBLISHED_MODELS, publishedScores } from './published-scores.js';
import { alignedLines, markdownTable } from './text-table.js';

const OWN_COLUMNS = ['task', 'metric', 'score', '95 %', 'n', 'missing', 'shots', 'form'];

export interface ResultTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The columns from this one on are what others published. */
  readonly publishedFrom: number;
}

export function resultTable({ results, tasks }: Pick<EvaluationResult, 'results' | 'tasks'>): ResultTable {
  const shown = PUBLISHED_MODELS.map((_, place) =>
    results.some(({ task }) => publishedScores(task)[place] !== undefined),
  );
  const published = PUBLISHED_MODELS.filter((_, place) => shown[place]);
  const firstOf = new Set<string>();
  const rows = results.map((entry) => {
    const report = tasks.find(({ task }) => task === entry.task);
    const isFirst = !firstOf.has(entry.task);
    firstOf.add(entry.task);
    const others = publishedScores(entry.task)
      .filter((_, place) => shown[place])
      .map((score) => (score === undefined || !isFirst ? '' : score.toFixed(2)));
    const form =
      report === undefined
        ? ''
        : [report.form, report.mode, ...(report.cot ? ['cot'] : [])].filter(Boolean).join(', ');
    return [
      entry.task,
      entry.metric,
      ...scoreCells(entry),
      String(entry.n),
      String(entry.missing),
      String(report?.shots ?? ''),
      form,
      ...others,
    ];
  });
  return { columns: [...OWN_COLUMNS, ...published], rows, publishedFrom: OWN_COLUMNS.length };
}

function scoreCells({ score, confidence_interval: interval, metric }: ResultEntry): [string, string] {
  if (score === null) return ['-', ''];
  if (metric === 'bits_per_byte') return [score.toFixed(3), ''];
  const percent = (value: number): string => (100 * value).toFixed(2);
  return [percent(score), interval === null ? '' : `${percent(interval[0])} to ${percent(interval[1])}`];
}

export function tableText(table: ResultTable): string {
  const { columns, rows, publishedFrom } = table;
  const hasPublished = columns.length > publishedFrom;
  const note = hasPublished ? ['right of |: published by the makers of these models, not measured here'] : [];
  const lines = alignedLines({ columns, rows, textColumns: new Set([0, 1, 7]), barBefore: publishedFrom });
  return [...lines, ...note, ''].join('\n');
}

export function tableMarkdown({ columns, rows, publishedFrom }: ResultTable): string {
  const names = columns.map((name, place) => (place < publishedFrom ? name : `${name} (published)`));
  return markdownTable(names, rows);
}

export function tableCsv({ columns, rows, publishedFrom }: ResultTable): string {
  const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const names = columns.map((name, place) => (place < publishedFrom ? name : `published: ${name}`));
  return [names, ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}
