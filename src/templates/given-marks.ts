/**
 * Where a text of a template came from. Brackets and bars, without which no special token is spelled, are marked in the values
 * that a template is given: each is one noncharacter that all of the language takes for the character itself. In the rendered text
 * they tell `<|end|>` of a message from that of the template, whatever the template cut, stripped or joined.
 */

const CHARACTERS = '<>[]|\uff1c\uff1e\uff3b\uff3d\uff5c\ufe64\ufe65\ufe47\ufe48';
const COUNT = CHARACTERS.length;
/** U+FDD0 is the border that tokenizers know. Two marks for each character: of what the assistant said, and of all else. */
const FIRST = 0xfdd1;
const classOf = (from: number, count: number): string =>
  `[${String.fromCharCode(from)}-${String.fromCharCode(from + count - 1)}]`;
const HAS_MARK = new RegExp(classOf(FIRST, 2 * COUNT));
const MARKS = new RegExp(classOf(FIRST, 2 * COUNT), 'g');
/** Noncharacters that would be taken for marks or for the border. */
const RESERVED = new RegExp(classOf(FIRST - 1, 2 * COUNT + 1), 'g');
const MARKABLE = `[${CHARACTERS.replace(/[[\]]/g, '\\$&')}]`;
const HAS_MARKABLE = new RegExp(MARKABLE);
const ALL_MARKABLE = new RegExp(MARKABLE, 'g');

/** Whose text a character is. */
export type TextOrigin = 'template' | 'given' | 'assistant';

/** Of one unit (UTF-16) of a rendered text; units that carry no mark count as the template's. */
export function originAt(text: string, index: number): TextOrigin {
  const place = text.charCodeAt(index) - FIRST;
  if (place < 0 || place >= 2 * COUNT) return 'template';
  return place < COUNT ? 'given' : 'assistant';
}

/** Of the same length, with every mark as the character that it stands for. */
export function unmarked(text: string): string {
  if (!HAS_MARK.test(text)) return text;
  return text.replace(MARKS, (mark) => CHARACTERS[(mark.charCodeAt(0) - FIRST) % COUNT] ?? mark);
}

export function marked(text: string, origin: 'given' | 'assistant'): string {
  const first = origin === 'given' ? FIRST : FIRST + COUNT;
  return text.replace(ALL_MARKABLE, (character) =>
    String.fromCharCode(first + CHARACTERS.indexOf(character)),
  );
}

/** Whether `marked` would change it. */
export function isMarkable(text: string): boolean {
  return HAS_MARKABLE.test(text);
}

/** Without the noncharacters that are marks. */
export function withoutReserved(text: string): string {
  return text.replace(RESERVED, '\ufffd');
}
