/** KaTeX, in a chunk of its own. */
import katex from 'katex';
import 'katex/dist/katex.css';

/**
 * Sets the formula into the element. By `render`, not by markup: it writes styles through the object model, which the
 * page's policy (no style attributes) lets pass.
 */
export function setFormula(element: HTMLElement, tex: string, isDisplay: boolean): void {
  katex.render(tex, element, {
    displayMode: isDisplay,
    throwOnError: false,
    errorColor: 'currentColor',
    strict: 'ignore',
    trust: false,
    maxExpand: 300,
    maxSize: 40,
  });
}
