/** The configurations of the runs, key by key; where there are several, what differs comes first. */
import { element, make } from './elements.js';
import type { ShownRun } from './run-list.js';
import type { Texts } from './texts.js';

let shown = '';

export function drawSetup(runs: readonly ShownRun[], say: Texts): void {
  const state = JSON.stringify([say.setup, runs.map(({ label, setup }) => [label, setup])]);
  // Drawn anew only when there is something new, so that a reader keeps the place.
  if (state === shown) return;
  shown = state;
  const root = element('setup');
  if (runs.every(({ setup }) => setup.config === undefined && setup.command === undefined)) {
    root.replaceChildren(make('p', { className: 'prompt', text: say.noSetup }));
    return;
  }
  const columns = runs.map(({ setup }) => rowsOf(setup, say));
  const keys = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const differs = (key: string): boolean => new Set(columns.map((column) => column.get(key))).size > 1;
  const inOrder = [...keys.filter(differs), ...keys.filter((key) => !differs(key))];
  const body = inOrder.map((key) => {
    const cells = columns.map((column) => make('td', { text: column.get(key) ?? '–' }));
    const row = make('tr', { className: differs(key) ? 'differs' : '' }, make('th', { text: key }), ...cells);
    row.querySelector('th')?.setAttribute('scope', 'row');
    if (differs(key)) row.title = say.differ;
    return row;
  });
  const heads =
    runs.length < 2
      ? []
      : [
          make(
            'thead',
            {},
            make('tr', {}, make('td'), ...runs.map(({ label }) => make('th', { text: label }))),
          ),
        ];
  root.replaceChildren(make('table', {}, ...heads, make('tbody', {}, ...body)));
}

function rowsOf(
  { config, command, started, versions = {} }: ShownRun['setup'],
  say: Texts,
): Map<string, string> {
  const rows = new Map<string, string>();
  if (command !== undefined) rows.set(say.command, command);
  if (started !== undefined) rows.set(say.started, new Date(started).toLocaleString());
  for (const [name, version] of Object.entries(versions)) rows.set(name, version);
  flatten(config, '', rows);
  return rows;
}

/** training.learning_rate: 0.0003 */
function flatten(value: unknown, path: string, rows: Map<string, string>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value))
      flatten(inner, path === '' ? key : `${path}.${key}`, rows);
    return;
  }
  if (path !== '') rows.set(path, typeof value === 'string' ? value : JSON.stringify(value));
}
