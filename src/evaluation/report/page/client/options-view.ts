/** The log-likelihoods of options, and which one was chosen. */
import { make } from './elements.js';
import type { Texts } from './texts.js';

export function drawOptions(
  decisions: readonly (readonly number[])[],
  target: string | readonly string[] | null,
  say: Texts,
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
    made.append(optionTable(values, typeof letter === 'string' ? letter : '', say, isReference));
  }
  return made;
}

function optionTable(
  values: readonly number[],
  right: string,
  say: Texts,
  isReference: boolean,
): HTMLElement {
  const most = Math.max(...values);
  const total = values.reduce((sum, value) => sum + Math.exp(value - most), 0);
  const chosen = values.indexOf(most);
  const table = make('table', { className: 'options' });
  for (const [place, value] of values.entries()) {
    const name = String.fromCharCode(0x41 + place);
    const isRight =
      !isReference &&
      (right === name || (right.length > 1 && right.includes(name) && /^[A-Z]+$/.test(right)));
    const share = Math.exp(value - most) / total;
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
      make('td', { className: 'number', text: value.toFixed(4) }),
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
