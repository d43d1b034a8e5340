/** Draws one block of markdown into an element: markup, code with its head, and formulas when KaTeX is there. */
import { renderMarkdown } from './markdown.js';
import { createSanitizer, type Sanitize } from './sanitize.js';

export interface BlockLabels {
  readonly copy: string;
  readonly code: string;
}

let sanitizer: Sanitize | undefined;
const sanitize: Sanitize = (html) => {
  sanitizer ??= createSanitizer(window);
  return sanitizer(html);
};

/** Longer code stays plain while it grows: colouring it at every frame would cost more than it shows. */
const LONGEST_LIVE_CODE = 4000;
const LONGEST_CODE = 200_000;

/** @param isGrowing more of the block is to come */
export function drawBlock(
  element: HTMLElement,
  source: string,
  labels: BlockLabels,
  isGrowing: boolean,
): void {
  const fragment = sanitize(renderMarkdown(source));
  for (const code of fragment.querySelectorAll<HTMLElement>('pre > code'))
    decorateCode(code, labels, isGrowing);
  for (const table of fragment.querySelectorAll('table')) wrap(table, 'table-scroll', true);
  for (const formula of fragment.querySelectorAll<HTMLElement>('.math')) drawFormula(formula);
  for (const list of fragment.querySelectorAll('ol')) makeRoomForNumbers(list);
  element.replaceChildren(fragment);
}

function decorateCode(code: HTMLElement, labels: BlockLabels, isGrowing: boolean): void {
  const pre = code.parentElement;
  if (pre === null) return;
  const language = /language-(\S+)/.exec(code.className)?.[1] ?? '';
  const box = wrap(pre, 'code-box', false);
  box.dir = 'ltr';
  const head = document.createElement('div');
  head.className = 'code-head';
  const name = document.createElement('span');
  name.textContent = language || labels.code;
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.className = 'copy-code';
  copy.textContent = labels.copy;
  head.append(name, copy);
  box.prepend(head);
  // Scrolled by keyboard too.
  pre.tabIndex = 0;
  pre.setAttribute('role', 'region');
  pre.setAttribute('aria-label', `${labels.code} ${language}`.trim());
  const text = code.textContent ?? '';
  if (language === '' || text.length > (isGrowing ? LONGEST_LIVE_CODE : LONGEST_CODE)) return;
  whenLoaded(loadHighlighting, ({ highlight }) => {
    const markup = highlight(text, language);
    if (markup !== undefined) code.replaceChildren(sanitize(markup));
  });
}

/** Three digits and more stand further out than the style sheet's padding is wide. */
function makeRoomForNumbers(list: HTMLOListElement): void {
  const digits = String(list.start + list.children.length - 1).length;
  if (digits > 2) list.style.paddingInlineStart = `${0.6 * digits + 1}em`;
}

function wrap(inner: Element, className: string, isFocusable: boolean): HTMLElement {
  const outer = document.createElement('div');
  outer.className = className;
  if (isFocusable) outer.tabIndex = 0;
  inner.replaceWith(outer);
  outer.append(inner);
  return outer;
}

function drawFormula(formula: HTMLElement): void {
  const tex = formula.textContent ?? '';
  whenLoaded(loadFormulas, ({ setFormula }) =>
    setFormula(formula, tex, formula.classList.contains('display')),
  );
}

interface Lazy<T> {
  loaded?: T;
  loading?: Promise<T>;
  readonly load: () => Promise<T>;
}

const loadFormulas: Lazy<typeof import('./formulas.js')> = { load: () => import('./formulas.js') };
const loadHighlighting: Lazy<typeof import('./highlighting.js')> = {
  load: () => import('./highlighting.js'),
};

/** At once where it has come already, so that what streams does not flicker. */
function whenLoaded<T>(lazy: Lazy<T>, then: (loaded: T) => void): void {
  if (lazy.loaded !== undefined) {
    then(lazy.loaded);
    return;
  }
  lazy.loading ??= lazy.load();
  lazy.loading.then(
    (loaded) => {
      lazy.loaded = loaded;
      then(loaded);
    },
    () => {
      delete lazy.loading; // The server was away: formulas stay as they are written, and the next one asks again.
    },
  );
}
