/** Finds what is wider than the column and lets it scroll there; else it would be cut off. */

const WIDE = 'wide';

/** @param root rendered markdown, in the page */
export function markWide(root: HTMLElement): void {
  // First all reading, then all writing: one layout.
  const formulas = [...root.querySelectorAll<HTMLElement>('.math:not(.display)')].map((element) => {
    const column = element.parentElement?.closest<HTMLElement>(
      'p, li, td, th, h1, h2, h3, h4, h5, h6, .block',
    );
    const widest = Math.max(
      0,
      ...[...element.querySelectorAll<HTMLElement>('.katex-html > *')].map(({ offsetWidth }) => offsetWidth),
    );
    return { element, isWide: widest > (column ?? root).clientWidth };
  });
  const boxes = [...root.querySelectorAll<HTMLElement>('.block > :is(ul, ol, blockquote)')].map(
    (element) => ({
      element,
      isWide: element.scrollWidth > element.clientWidth + 1,
    }),
  );
  for (const { element, isWide } of [...formulas, ...boxes]) {
    element.classList.toggle(WIDE, isWide);
    // Scrolled by keyboard too.
    if (isWide) element.tabIndex = 0;
    else element.removeAttribute('tabindex');
  }
}
