/** What a model thought, told from what it says: `<think>…</think>` within a text, as reasoning models write it. */

export interface AnswerPart {
  readonly kind: 'thinking' | 'text';
  readonly text: string;
  /** Its end has not come. */
  readonly isOpen: boolean;
}

const OPEN = /^[ \t]*<(think|thinking)>/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/**
 * Signs within code blocks are text. A `</think>` whose beginning is missing (some templates put it into the prompt) ends a
 * thought that began with the text.
 * @param isGrowing more is to come: a sign that is half there is not shown for the moment that it lasts
 */
export function splitThinking(text: string, isGrowing = false): AnswerPart[] {
  const head = text.trimStart();
  if (isGrowing && head !== '' && '<think>'.startsWith(head))
    return [{ kind: 'thinking', text: '', isOpen: true }];
  const parts: AnswerPart[] = [];
  let rest = text;
  while (rest !== '') {
    const start = thoughtStart(rest);
    if (start === undefined) break;
    const { from, inner, close } = start;
    push(parts, 'text', rest.slice(0, from));
    const end = rest.indexOf(close, inner);
    if (end < 0) {
      const thought = rest.slice(inner);
      parts.push({
        kind: 'thinking',
        text: (isGrowing ? withoutPartOf(close, thought) : thought).trim(),
        isOpen: true,
      });
      return parts;
    }
    push(parts, 'thinking', rest.slice(inner, end).trim());
    rest = rest.slice(end + close.length).replace(/^\s*\n/, '');
  }
  if (parts.length === 0) {
    const end = closeWithoutStart(rest);
    if (end !== undefined) {
      push(parts, 'thinking', rest.slice(0, end.from).trim());
      rest = rest.slice(end.to).replace(/^\s*\n/, '');
    }
  }
  push(parts, 'text', rest);
  return parts;
}

/** The answer alone. */
export function withoutThinking(text: string): string {
  return splitThinking(text)
    .filter(({ kind }) => kind === 'text')
    .map((part) => part.text)
    .join('')
    .trim();
}

function push(parts: AnswerPart[], kind: AnswerPart['kind'], text: string): void {
  if (text.trim() !== '') parts.push({ kind, text, isOpen: false });
}

interface Start {
  readonly from: number;
  readonly inner: number;
  readonly close: string;
}

function thoughtStart(text: string): Start | undefined {
  for (const { line, at } of linesOutsideCode(text)) {
    const found = OPEN.exec(line);
    if (found !== null) return { from: at, inner: at + found[0].length, close: `</${found[1]}>` };
  }
  return undefined;
}

function closeWithoutStart(text: string): { from: number; to: number } | undefined {
  for (const { line, at } of linesOutsideCode(text)) {
    const found = /<\/(?:think|thinking)>/.exec(line);
    // Within `code` it is talked about.
    if (found !== null && (line.slice(0, found.index).split('`').length - 1) % 2 === 0)
      return { from: at + found.index, to: at + found.index + found[0].length };
  }
  return undefined;
}

function* linesOutsideCode(text: string): Generator<{ line: string; at: number }> {
  let fence: string | undefined;
  let at = 0;
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1];
    if (fence === undefined && mark !== undefined) fence = mark;
    else if (fence !== undefined) {
      if (mark?.startsWith(fence) === true && line.trim() === mark) fence = undefined;
    } else yield { line, at };
    at += line.length + 1;
  }
}

/** Without a `</thi` at the end. */
function withoutPartOf(close: string, text: string): string {
  for (let length = Math.min(close.length - 1, text.length); length > 0; length--)
    if (text.endsWith(close.slice(0, length))) return text.slice(0, -length);
  return text;
}
