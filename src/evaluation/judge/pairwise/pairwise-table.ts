/** A comparison as tables for people. */
import type { Interval, RankedModel } from './rank-models.js';
import type { PairwiseResult } from './run-pairwise.js';

type Shown = Pick<PairwiseResult, 'ranking' | 'pairs' | 'position'>;

const RANKING_COLUMNS = [
  'model',
  'win rate',
  '95 %',
  'wins',
  'ties',
  'losses',
  'Bradley-Terry',
  '95 %',
  'Elo',
  '95 %',
];
const PAIR_COLUMNS = ['one', 'other', 'one wins', 'ties', 'other wins', 'n', 'orders disagree', 'no verdict'];

function rankingRow(ranked: RankedModel): string[] {
  const { model, wins, ties, losses, win_rate, bradley_terry, elo } = ranked;
  const percent = (value: number): string => (100 * value).toFixed(2);
  const whole = (value: number): string => value.toFixed(0);
  return [
    model,
    ...cells(win_rate, percent),
    String(wins),
    String(ties),
    String(losses),
    ...cells(bradley_terry, whole),
    ...cells(elo, whole),
  ];
}

function cells(
  { score, confidence_interval: range }: Interval,
  show: (value: number) => string,
): [string, string] {
  return [score === null ? '-' : show(score), range === null ? '' : `${show(range[0])} to ${show(range[1])}`];
}

function pairRows({ pairs }: Shown): string[][] {
  return pairs.map(({ one, other, one_wins, ties, other_wins, n, inconsistent, unjudged }) => [
    one,
    other,
    ...[one_wins, ties, other_wins, n, inconsistent, unjudged].map(String),
  ]);
}

function positionText({ position: { consistency, first_preferred } }: Shown): string {
  const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)} %`);
  return `both orders agree: ${percent(consistency)}; of decided verdicts for the answer that stood first: ${percent(first_preferred)} (50 % is fair)`;
}

export function pairwiseText(result: Shown): string {
  const table = (columns: readonly string[], rows: readonly (readonly string[])[], words: number): string => {
    const widths = columns.map((name, place) =>
      Math.max(name.length, ...rows.map((row) => row[place]?.length ?? 0)),
    );
    return [columns, ...rows]
      .map((row) =>
        row
          .map((cell, place) =>
            place < words ? cell.padEnd(widths[place] ?? 0) : cell.padStart(widths[place] ?? 0),
          )
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  };
  return [
    table(RANKING_COLUMNS, result.ranking.map(rankingRow), 1),
    '',
    table(PAIR_COLUMNS, pairRows(result), 2),
    '',
    positionText(result),
    '',
  ].join('\n');
}

export function pairwiseMarkdown(result: Shown): string {
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const table = (columns: readonly string[], rows: readonly (readonly string[])[]): string[] => [
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map(line),
    '',
  ];
  return [
    ...table(RANKING_COLUMNS, result.ranking.map(rankingRow)),
    ...table(PAIR_COLUMNS, pairRows(result)),
    positionText(result),
    '',
  ].join('\n');
}
