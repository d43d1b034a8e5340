/** What the numbers were made with. */
import type { ReportContent } from '../report-content.js';
import { element, make } from './elements.js';
import type { Texts } from './texts.js';

export function drawFacts({ runs, tasks }: ReportContent, say: Texts): void {
  element('facts').replaceChildren(
    ...runs.map((run, place) =>
      table(run.label, [
        [say.command, run.command],
        [say.started, run.started],
        [say.duration, run.seconds.toFixed(1)],
        [say.rate, run.samplesPerSecond.toFixed(2)],
        ...run.facts,
        ...tasks.flatMap((task): [string, string][] => {
          const own = task.runs[place];
          return own === null || own === undefined
            ? []
            : [
                [task.name, `${say.version} ${own.version}`],
                [task.name, `${say.data} ${own.data}`],
              ];
        }),
      ]),
    ),
  );
}

function table(caption: string, rows: readonly (readonly [string, string])[]): HTMLElement {
  return make(
    'table',
    { className: 'facts' },
    make('caption', { text: caption }),
    make(
      'tbody',
      {},
      ...rows.map(([name, value]) => make('tr', {}, make('th', { text: name }), make('td', { text: value }))),
    ),
  );
}
