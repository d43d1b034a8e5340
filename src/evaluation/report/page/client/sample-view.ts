/** One sample, whole. */
import type { PageAnswer, PageSample, ReportContent } from '../report-content.js';
import { element, make } from './elements.js';
import { appendText } from './marked-text.js';
import { drawOptions } from './options-view.js';
import { verdictDot } from './sample-list.js';
import { type Language, sharedText, type Texts } from './texts.js';

export interface SampleViewOptions {
  readonly content: ReportContent;
  readonly say: Texts;
  readonly language: Language;
  readonly query: string;
  /** Of the same subject: a beginning in common is folded. */
  readonly relatives: readonly PageSample[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly onBack: () => void;
  readonly onMove: (by: number) => void;
}

/** A beginning shorter than this is shown with the rest. */
const LONG_BEGINNING = 300;

export function drawSample(sample: PageSample | undefined, options: SampleViewOptions): void {
  const place = element('sample');
  place.scrollTop = 0;
  if (sample === undefined) {
    place.replaceChildren();
    return;
  }
  const { content, say, query } = options;
  const runs = content.runs.length;
  const answers = make(
    'div',
    { className: 'answers' },
    ...sample.a.map((answer, run) =>
      drawAnswer(answer, sample, runs > 1 ? (content.runs[run]?.label ?? '') : '', say, query),
    ),
  );
  const target = part(say.target, '');
  target.append(smallText(sample.target, say.noTarget, query));
  place.replaceChildren(drawHead(sample, options), chips(sample));
  if (sample.prompt !== null) place.append(drawPrompt(sample.prompt, options));
  place.append(target, answers);
  // The question stands at the end of a long prompt.
  for (const block of place.querySelectorAll('.prompt > .text')) block.scrollTop = block.scrollHeight;
}

function drawHead(
  sample: PageSample,
  { content, say, isFirst, isLast, onBack, onMove }: SampleViewOptions,
): HTMLElement {
  const button = (text: string, className: string, isOff: boolean, act: () => void): HTMLButtonElement => {
    const made = make('button', { className, text });
    made.type = 'button';
    made.disabled = isOff;
    made.addEventListener('click', act);
    return made;
  };
  const id = make('span', { className: 'id' });
  appendText(id, `${content.tasks[sample.t]?.name ?? ''} · ${sample.id}`, '');
  const [only] = sample.a;
  return make(
    'div',
    { className: 'sample-head' },
    button(`← ${say.back}`, 'back', false, onBack),
    id,
    ...(sample.a.length === 1 && only !== null && only !== undefined ? [badge(only, sample, say)] : []),
    make(
      'span',
      { className: 'steps' },
      button(say.previous, 'previous', isFirst, () => onMove(-1)),
      button(say.next, 'next', isLast, () => onMove(1)),
    ),
  );
}

function badge({ v, points }: PageAnswer, { most }: PageSample, say: Texts): HTMLElement {
  const earned = most === null ? '' : ` · ${points ?? 0} / ${most} ${say.points}`;
  return make('span', { className: 'badge' }, verdictDot(v, say), `${say[v]}${earned}`);
}

function chips({ g: groups }: PageSample): HTMLElement {
  return make(
    'div',
    { className: 'chips' },
    ...groups.map((group) => make('span', { className: 'chip', text: group })),
  );
}

function part(title: string, className: string): HTMLElement {
  return make('div', { className: `part ${className}`.trim() }, make('h3', { text: title }));
}

function textBlock(text: string, query: string): HTMLElement {
  const block = make('pre', { className: 'text' });
  block.dir = 'auto';
  block.tabIndex = 0;
  appendText(block, text, query);
  return block;
}

function smallText(value: string | readonly string[] | null, otherwise: string, query: string): HTMLElement {
  const texts = value === null ? [] : typeof value === 'string' ? [value] : value;
  if (texts.length === 0 || texts.every((text) => text === ''))
    return make('span', { className: 'soft', text: otherwise });
  const holder = make('div', { className: 'pair' });
  for (const text of texts) {
    const block = make('pre', { className: 'text small' });
    block.dir = 'auto';
    appendText(block, text, query);
    holder.append(block);
  }
  return holder;
}

/** The examples that a subject's questions share are folded, unless what was searched for is in them. */
function drawPrompt(prompt: string, { relatives, say, language, query }: SampleViewOptions): HTMLElement {
  const made = part(say.prompt, 'prompt');
  const shared = sharedBeginning(
    prompt,
    relatives.flatMap(({ prompt: other }) => other ?? []),
  );
  if (shared >= LONG_BEGINNING) {
    const beginning = prompt.slice(0, shared);
    const fold = make(
      'details',
      { className: 'shared' },
      make('summary', { text: sharedText(shared, language) }),
    );
    fold.append(textBlock(beginning, query));
    made.append(fold);
  }
  made.append(textBlock(shared >= LONG_BEGINNING ? prompt.slice(shared) : prompt, query));
  return made;
}

/** Up to a blank line, so that no question is torn. */
function sharedBeginning(prompt: string, others: readonly string[]): number {
  const longest = Math.max(
    0,
    ...others.map((other) => {
      let end = 0;
      while (end < prompt.length && prompt[end] === other[end]) end++;
      return end === prompt.length ? 0 : end;
    }),
  );
  const blank = prompt.lastIndexOf('\n\n', longest - 1);
  return blank < 0 ? 0 : blank + 2 > longest ? 0 : blank + 2;
}

function drawAnswer(
  answer: PageAnswer | null,
  sample: PageSample,
  label: string,
  say: Texts,
  query: string,
): HTMLElement {
  const made = make('div', { className: 'answer' });
  if (label !== '') {
    const verdict =
      answer === null
        ? make('span', { className: 'badge' }, verdictDot('absent', say), say.absent)
        : badge(answer, sample, say);
    const title = make('div', { className: 'part' }, make('h2', { text: label }), verdict);
    made.append(title);
  }
  if (answer === null) return made;
  if (answer.missing !== undefined) {
    const missing = part(say.missing, '');
    missing.append(make('span', { className: 'soft', text: answer.missing }));
    made.append(missing);
    return made;
  }
  if (answer.prompt !== undefined) {
    const prompt = part(say.prompt, 'prompt');
    prompt.append(textBlock(answer.prompt, query));
    made.append(prompt);
  }
  if (answer.output !== null) made.append(...drawOutputs(answer, say, query));
  if (answer.options !== undefined) made.append(drawOptions(answer.options, sample, say, query));
  if (answer.output !== null || answer.extracted !== null) {
    const extracted = part(say.extracted, 'extracted');
    extracted.append(smallText(answer.extracted, say.nothing, query));
    made.append(extracted);
  }
  return made;
}

function drawOutputs({ output, each }: PageAnswer, say: Texts, query: string): HTMLElement[] {
  const outputs = output === null ? [] : typeof output === 'string' ? [output] : output;
  return outputs.map((text, place) => {
    const made = part(outputs.length === 1 ? say.output : `${say.output} ${place + 1}`, 'output');
    const isRight = each?.[place];
    if (isRight !== undefined && each !== undefined && each.length > 1)
      made.querySelector('h3')?.append(verdictDot(isRight ? 'right' : 'wrong', say));
    made.append(
      text === '' ? make('span', { className: 'soft', text: say.nothing }) : textBlock(text, query),
    );
    return made;
  });
}
