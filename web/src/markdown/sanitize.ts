/**
 * The one way by which markup comes into the page. markdown-it writes no HTML of the text's own, so this is the second
 * wall: whatever gets through the first is reduced to the elements that markdown makes.
 */
import createPurifier, { type Config } from 'dompurify';

const CONFIG: Config & { RETURN_DOM_FRAGMENT: true } = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'ul', 'ol', 'li'],
    ...['strong', 'em', 's', 'a', 'code', 'pre', 'span', 'div'],
    ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'class', 'start', 'title'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // Else it is held to be an address, and goes.
  ADD_URI_SAFE_ATTR: ['start'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** Classes that the style sheet gives meaning to; others could dress text up as a part of the page. */
const KNOWN_CLASS =
  /^(?:math|display|task|done|task-item|align-(?:center|right)|language-[\w+#.-]{1,30}|hljs-[\w-]{1,30}|[\w]+_)$/;

export type Sanitize = (html: string) => DocumentFragment;

export function createSanitizer(window: Window & typeof globalThis): Sanitize {
  const purifier = createPurifier(window);
  purifier.addHook('afterSanitizeAttributes', (node) => {
    if (node.hasAttribute('class')) {
      const known = [...node.classList].filter((name) => KNOWN_CLASS.test(name));
      if (known.length > 0) node.setAttribute('class', known.join(' '));
      else node.removeAttribute('class');
    }
    if (node.tagName !== 'A') return;
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  });
  return (html) => purifier.sanitize(html, CONFIG);
}
