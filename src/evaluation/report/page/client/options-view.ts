/** The log-likelihoods of options, and which one was chosen. */
import type { PageSample } from '../report-content.js';
import { make } from './elements.js';
import { appendText } from './marked-text.js';
import type { Texts } from './texts.js';

export function drawOptions(
  decisions: readonly (readonly (number | null)[])[],
  { target, o: names }: PageSample,
  say: Texts,
  query: string,
): HTMLElement {
  const isReference = decisions.every((values) => values.length === 1);
  const made = make(
    'div',
    { className: 'part options' },
    make('h3', { text: isReference ? say.reference : say.options }),
  );
  for (const [place, values] of decisions.entries()) {
    if (decisions.length > 1) made.append(make('h3', { text: `${say.decision} ${place + 1}` }));
    const letter = Array.isArray(target) ? target[place] : decisions.length === 1 ? target : undefined;
    const table = optionTable(values, typeof letter === 'string' ? letter : '', say, isReference);
    for (const [option, row] of [...table.rows].entries()) {
      const text = names?.[option];
      if (text !== undefined) row.after(nameRow(text, query));
    }
    made.append(table);
  }
  return made;
}

/** The text of an option, below its row. */
function nameRow(text: string, query: string): HTMLElement {
  const cell = make('td', { className: 'option-text' });
  cell.colSpan = 4;
  cell.dir = 'auto';
  appendText(cell, text, query);
  return make('tr', {}, make('th'), cell);
}

function optionTable(
  given: readonly (number | null)[],
  right: string,
  say: Texts,
  isReference: boolean,
): HTMLTableElement {
  const values = given.map((value) => value ?? Number.NEGATIVE_INFINITY);
  const most = Math.max(...values);
  const total = values.reduce((sum, value) => sum + Math.exp(value - most), 0);
  const chosen = values.indexOf(most);
  const table = make('table', { className: 'options' });
  for (const [place, value] of values.entries()) {
    const name = String.fromCharCode(0x41 + place);
    const isRight =
      !isReference &&
      (right === name || (right.length > 1 && right.includes(name) && /^[A-Z]+$/.test(right)));
    const share = Number.isFinite(most) ? Math.exp(value - most) / total : 0;
    const fill = make('i');
    fill.style.width = `${(100 * share).toFixed(1)}%`;
    const marks = [
      ...(!isReference && place === chosen ? [say.chosen] : []),
      ...(isRight ? [say.rightOption] : []),
    ];
    const row = make(
      'tr',
      { className: place === chosen ? 'chosen' : '' },
      make('th', { text: isReference ? '' : name }),
      make('td', { className: 'number', text: Number.isFinite(value) ? value.toFixed(4) : '−∞' }),
      ...(isReference
        ? []
        : [
            make('td', { className: 'wide' }, make('div', { className: 'meter' }, fill)),
            make('td', { className: 'number', text: `${(100 * share).toFixed(1)} %` }),
          ]),
      make('td', { text: marks.join(', ') }),
    );
    row.dataset.right = String(isRight);
    table.append(row);
  }
  return table;
}
