/** What a judge gave by dimension, language and number of turns, in points for people. */
import type { EvaluationResult } from '../run/run-evaluation.js';

/** Empty where nothing was judged. */
export function dimensionsText({ results, tasks }: Pick<EvaluationResult, 'results' | 'tasks'>): string {
  const judged = tasks.filter(({ judge }) => judge !== undefined && judge !== null).map(({ task }) => task);
  return results
    .filter(({ task, score }) => judged.includes(task) && score !== null)
    .map(({ task, groups, n, unjudged = 0, averages = {} }) => {
      const rows = Object.entries(groups).map(([name, group]) => [
        name,
        points(group.score),
        group.confidence_interval?.map(points).join(' to ') ?? '',
        String(group.n),
      ]);
      const columns = [task, 'points', '95 %', 'n'];
      const widths = columns.map((column, place) =>
        Math.max(column.length, ...rows.map((row) => row[place]?.length ?? 0)),
      );
      const lines = [columns, ...rows].map((row) =>
        row
          .map((cell, place) =>
            place === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[place] ?? 0),
          )
          .join('  '),
      );
      const counted = `over ${n} dialogues, ${unjudged} without a verdict; mean of the dimensions ${points(averages.dimensions ?? 0)}`;
      return ['', ...lines, counted, ''].join('\n');
    })
    .join('');
}

function points(fraction: number): string {
  return (100 * fraction).toFixed(2);
}
