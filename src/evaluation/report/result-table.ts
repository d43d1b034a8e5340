/** Results as a table for people, for CSV and for Markdown. */
import type { EvaluationResult } from '../run/run-evaluation.js';
import type { ResultEntry } from '../run/summarise.js';
import { PUBLISHED_MODELS, publishedScores } from './published-scores.js';
import { alignedLines, displayWidth, markdownTable } from './text-table.js';

const OWN_COLUMNS = ['task', 'metric', 'score', '95 %', 'n', 'missing', 'shots', 'form'];
/** Its place among them. */
const FORM = 7;
const TEXT_COLUMNS: ReadonlySet<number> = new Set([0, 1, FORM]);

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

/** @param width columns of the terminal; undefined: as wide as it is */
export function tableText(table: ResultTable, width?: number): string {
  const { columns, rows, publishedFrom } = table;
  const hasPublished = columns.length > publishedFrom;
  const note = hasPublished ? ['right of |: published by the makers of these models, not measured here'] : [];
  const lines = alignedLines({ columns, rows, textColumns: TEXT_COLUMNS, barBefore: publishedFrom });
  if (width === undefined || lines.every((line) => displayWidth(line) <= width))
    return [...lines, ...note, ''].join('\n');
  return [...narrowLines(table, width), ''].join('\n');
}

/** What was measured as a table, the rest as lines below it. */
function narrowLines({ columns, rows, publishedFrom }: ResultTable, width: number): string[] {
  const whole = { columns: columns.slice(0, publishedFrom), textColumns: TEXT_COLUMNS };
  const own = alignedLines({ ...whole, rows: rows.map((row) => row.slice(0, publishedFrom)) });
  const isFit = own.every((line) => displayWidth(line) <= width);
  const short = columns.slice(0, FORM);
  const table = isFit
    ? own
    : alignedLines({
        columns: short,
        rows: rows.map((row) => row.slice(0, FORM)),
        textColumns: TEXT_COLUMNS,
      });
  const firsts = rows.filter(([task], place) => rows.findIndex((row) => row[0] === task) === place);
  const forms = isFit ? [] : [...new Set(firsts.map((row) => row[FORM] ?? ''))].filter((form) => form !== '');
  const tasksOf = (form: string): string[] =>
    firsts.filter((row) => row[FORM] === form).map(([task]) => task ?? '');
  const published = firsts.flatMap((row) => {
    const known = columns
      .slice(publishedFrom)
      .flatMap((model, place) =>
        row[publishedFrom + place] ? [`${model} ${row[publishedFrom + place]}`] : [],
      );
    return known.length === 0 ? [] : wrapped(`  ${row[0]}: `, known, width);
  });
  return [
    ...table,
    ...forms.flatMap((form) => wrapped(`${form}: `, tasksOf(form), width)),
    ...(published.length === 0
      ? []
      : ['published by the makers of these models, not measured here:', ...published]),
  ];
}

/** Parts with commas between, in lines of so many columns; further lines stand below the first part. */
function wrapped(lead: string, parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = lead;
  for (const [place, part] of parts.entries()) {
    const text = place === parts.length - 1 ? part : `${part}, `;
    if (line.length > lead.length && displayWidth(line + text.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = ' '.repeat(Math.min(displayWidth(lead), 4));
    }
    line += text;
  }
  return [...lines, line];
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
