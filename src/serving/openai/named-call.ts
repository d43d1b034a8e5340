/** The head of a call that is written as a name, marks and arguments: `name[CALL_ID]id[ARGS]{`. */

export interface NamedCallMarks {
  readonly id: string;
  readonly args: string;
}

export interface NamedCallHead {
  readonly name: string;
  /** undefined: the answer names none. */
  readonly id: string | undefined;
  /** Characters before the arguments. */
  readonly length: number;
}

const NAME = /^[\w.-]{1,256}/;
const ID = /^[\w.-]{0,64}/;

/** @returns "more" where further text tells; undefined for what is no such head */
export function namedCallHead(text: string, marks: NamedCallMarks): NamedCallHead | 'more' | undefined {
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return undefined;
  let at = name.length + spacesAt(text, name.length);
  let id: string | undefined;
  if (text.startsWith(marks.id, at)) {
    at += marks.id.length;
    at += spacesAt(text, at);
    id = ID.exec(text.slice(at))?.[0] ?? '';
    at += id.length;
    at += spacesAt(text, at);
  }
  const rest = text.slice(at);
  // The name, the id or a mark may go on.
  if (rest === '') return 'more';
  const awaited = id === undefined ? [marks.id, marks.args] : [marks.args];
  if (awaited.some((mark) => mark.length > rest.length && mark.startsWith(rest))) return 'more';
  if (rest.startsWith(marks.args)) at += marks.args.length;
  else if (id !== undefined) return undefined;
  at += spacesAt(text, at);
  if (at === text.length) return 'more';
  if (text[at] !== '{') return undefined;
  return { name, id: id === '' ? undefined : id, length: at };
}

function spacesAt(text: string, at: number): number {
  return /^\s*/.exec(text.slice(at, at + 16))?.[0].length ?? 0;
}
