/** Parses tool calls from a streamed answer. */
import { randomUUID } from 'node:crypto';
import { parseOrderedJson } from '../../json/index.js';
import { type CallForm, HERMES_CALLS } from './answer-form.js';
import { namedCallHead } from './named-call.js';
import type { ToolMode } from './tool-prompt.js';

export type AnswerPiece =
  | { readonly kind: 'content'; readonly text: string }
  /** `index` counts the calls of an answer from 0. */
  | { readonly kind: 'call'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string };

export interface ToolCallReaderOptions {
  readonly mode: ToolMode;
  /** Names of the tools; a call of any other is no call. */
  readonly names: ReadonlySet<string>;
  /** How calls are written; undefined: they stay text. Default: Hermes'. */
  readonly form?: CallForm | undefined;
  /** Further calls of an answer are left out. Default 16. */
  readonly maxCalls?: number;
}

/** Where in a call the reader stands. */
type State =
  | 'undecided'
  | 'content'
  | 'between'
  | 'object'
  | 'named'
  | 'arguments'
  | 'after-arguments'
  | 'ended';

/** A call whose name comes first, as the schema has it: its arguments can be streamed. */
const HEAD = /^\{\s*"name"\s*:\s*"((?:[^"\\]|\\.){1,256})"\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;
const LONGEST_HEAD = 1024;

export class ToolCallReader {
  readonly #options: ToolCallReaderOptions;
  readonly #maxCalls: number;
  readonly #form: CallForm;
  /** Content has been told: what follows is no call unless it is marked as one. */
  #hasContent = false;
  /** The calls have no mark before them. */
  #isBare = false;
  #state: State;
  #text = '';
  #at = 0;
  /** Where the object of the current call begins, or its name. */
  #objectAt = 0;
  /** The arguments of the current call stand alone: no object closes behind them. */
  #isNamed = false;
  #nesting = new Nesting();
  #calls = 0;

  constructor(options: ToolCallReaderOptions) {
    this.#options = options;
    this.#maxCalls = options.maxCalls ?? 16;
    // What a schema holds to the form of calls has no marks.
    this.#form = 'form' in options ? (options.form ?? HERMES_CALLS) : HERMES_CALLS;
    const isRead = options.mode.kind !== 'auto' || !('form' in options) || options.form !== undefined;
    this.#state = isRead ? startOf(options.mode) : 'content';
  }

  /** Calls that have begun. */
  get calls(): number {
    return this.#calls;
  }

  push(piece: string): AnswerPiece[] {
    if (piece === '') return [];
    const { mode } = this.#options;
    if (this.#state === 'content') return [{ kind: 'content', text: piece }];
    if (mode.kind === 'arguments') {
      const begin = this.#calls === 0 ? [this.#begin(mode.name)] : [];
      return [...begin, { kind: 'arguments', index: 0, text: piece }];
    }
    this.#text += piece;
    const pieces: AnswerPiece[] = [];
    while (this.#step(pieces));
    return pieces;
  }

  /** What was held back and became no call. */
  end(): AnswerPiece[] {
    if (this.#state === 'content' || this.#calls > 0 || this.#text === '') return [];
    return this.#giveUp();
  }

  /** One step on; false when more text is needed. */
  #step(pieces: AnswerPiece[]): boolean {
    switch (this.#state) {
      case 'undecided':
        return this.#decide(pieces);
      case 'between':
        return this.#findObject(pieces);
      case 'object':
        return this.#readObject(pieces);
      case 'named':
        return this.#readName(pieces);
      case 'arguments':
        return this.#readArguments(pieces);
      case 'after-arguments':
        return this.#closeObject();
      case 'content':
      case 'ended':
        return false;
      default:
        return this.#state satisfies never;
    }
  }

  /** Text before a call is content; what may be the beginning of a mark, and white space before it, is held back. */
  #decide(pieces: AnswerPiece[]): boolean {
    const { start, bare } = this.#form;
    const mark = this.#text.indexOf(start);
    if (bare !== undefined && mark !== 0 && !this.#hasContent) {
      const head = this.#text.trimStart();
      // A mark or a list that has only begun.
      if (start.startsWith(head) || /^\[\s*$/.test(head)) return false;
      if (bare.test(head)) {
        this.#isBare = true;
        this.#state = 'between';
        this.#at = 0;
        return true;
      }
    }
    const shown =
      mark < 0 ? this.#text.length - heldBack(this.#text, start) : this.#text.slice(0, mark).trimEnd().length;
    this.#hasContent ||= shown > 0;
    if (shown > 0) pieces.push({ kind: 'content', text: this.#text.slice(0, shown) });
    this.#text = this.#text.slice(shown);
    this.#at = 0;
    if (mark < 0) return false;
    this.#state = 'between';
    return true;
  }

  /** Over white space, the marks around calls and the commas and brackets of a list. */
  #findObject(pieces: AnswerPiece[]): boolean {
    const { start, end, separator } = this.#form;
    const marks = end === undefined ? [start] : [start, end];
    const longest = Math.max(...marks.map(({ length }) => length));
    while (this.#at < this.#text.length) {
      const rest = this.#text.slice(this.#at, this.#at + longest);
      const mark = marks.find((candidate) => rest.startsWith(candidate));
      const character = this.#text[this.#at] ?? '';
      if (mark !== undefined) this.#at += mark.length;
      else if (separator.test(character) && !this.#mayBeMark(marks)) this.#at += 1;
      else if (character === '{') {
        this.#state = 'object';
        this.#objectAt = this.#at;
        this.#nesting = new Nesting();
        return true;
      } else if (this.#form.named !== undefined && !this.#isBare && /[\w.-]/.test(character)) {
        this.#state = 'named';
        this.#objectAt = this.#at;
        return true;
      } else if (marks.some((candidate) => candidate.startsWith(rest))) return false;
      else return this.#noObject(pieces);
    }
    return false;
  }

  /** A mark that has begun with what may also stand between calls; more text tells. */
  #mayBeMark(marks: readonly string[]): boolean {
    const rest = this.#text.slice(this.#at);
    return marks.some((mark) => mark.length > rest.length && mark.startsWith(rest));
  }

  /** Something else than a call. */
  #noObject(pieces: AnswerPiece[]): boolean {
    if (this.#options.mode.kind === 'auto') return this.#refuse(pieces);
    this.#state = 'ended';
    return false;
  }

  #readObject(pieces: AnswerPiece[]): boolean {
    const head = HEAD.exec(this.#text.slice(this.#objectAt, this.#objectAt + LONGEST_HEAD));
    const name = head === null ? undefined : stringOf(`"${head[1]}"`);
    if (head !== null && name !== undefined) {
      if (!this.#accepts(name)) return this.#refuse(pieces);
      pieces.push(this.#begin(name));
      this.#at = this.#objectAt + head[0].length;
      this.#nesting = new Nesting();
      this.#state = 'arguments';
      return true;
    }
    // Keys in another order: the whole object is needed.
    this.#at = this.#nesting.advance(this.#text, this.#at);
    if (!this.#nesting.isClosed) return false;
    const call = callOf(this.#text.slice(this.#objectAt, this.#at));
    if (call === undefined || !this.#accepts(call.name)) return this.#refuse(pieces);
    pieces.push(this.#begin(call.name), { kind: 'arguments', index: this.#calls - 1, text: call.args });
    return this.#next();
  }

  /** A name, and perhaps an id, before arguments. */
  #readName(pieces: AnswerPiece[]): boolean {
    const { named } = this.#form;
    const text = this.#text.slice(this.#objectAt, this.#objectAt + LONGEST_HEAD);
    const head = named === undefined ? undefined : namedCallHead(text, named);
    if (head === 'more') return text.length < LONGEST_HEAD ? false : this.#noObject(pieces);
    if (head === undefined || !this.#accepts(head.name)) return this.#noObject(pieces);
    pieces.push(this.#begin(head.name, head.id));
    this.#at = this.#objectAt + head.length;
    this.#nesting = new Nesting();
    this.#isNamed = true;
    this.#state = 'arguments';
    return true;
  }

  #readArguments(pieces: AnswerPiece[]): boolean {
    const from = this.#at;
    this.#at = this.#nesting.advance(this.#text, from);
    if (this.#at > from)
      pieces.push({ kind: 'arguments', index: this.#calls - 1, text: this.#text.slice(from, this.#at) });
    if (!this.#nesting.isClosed) return false;
    if (this.#isNamed) return this.#next();
    this.#state = 'after-arguments';
    return true;
  }

  #closeObject(): boolean {
    const close = this.#text.indexOf('}', this.#at);
    if (close < 0) return false;
    this.#at = close + 1;
    return this.#next();
  }

  #next(): boolean {
    this.#isNamed = false;
    this.#state = this.#calls < this.#maxCalls ? 'between' : 'ended';
    return true;
  }

  #accepts(name: string): boolean {
    return this.#options.names.has(name);
  }

  /** @param id that the model gave. Default: a new one */
  #begin(name: string, id: string = `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`): AnswerPiece {
    return { kind: 'call', index: this.#calls++, id, name };
  }

  /** Looks like a call and is none: text if it is the first, left out behind others. */
  #refuse(pieces: AnswerPiece[]): boolean {
    if (this.#calls > 0) this.#state = 'ended';
    else if (this.#options.mode.kind === 'auto' && !this.#isBare) {
      // A later one may be a call.
      const { start } = this.#form;
      const behind = this.#text.indexOf(start) + start.length;
      this.#hasContent = true;
      pieces.push({ kind: 'content', text: this.#text.slice(0, behind) });
      this.#text = this.#text.slice(behind);
      this.#state = 'undecided';
      return true;
    } else pieces.push(...this.#giveUp());
    return false;
  }

  #giveUp(): AnswerPiece[] {
    this.#state = 'content';
    return [{ kind: 'content', text: this.#text }];
  }
}

/** Letters at the end of a text that are not to be shown yet: white space, and what a mark may begin with. */
function heldBack(text: string, start: string): number {
  let length = Math.min(start.length - 1, text.length);
  while (length > 0 && !start.startsWith(text.slice(text.length - length))) length -= 1;
  const rest = text.slice(0, text.length - length);
  return length + rest.length - rest.trimEnd().length;
}

function startOf(mode: ToolMode): State {
  switch (mode.kind) {
    case 'none':
      return 'content';
    case 'auto':
      return 'undecided';
    case 'calls':
    case 'arguments':
      return 'between';
    default:
      return mode satisfies never;
  }
}

/** Counts the brackets of a JSON value outside of its strings. */
class Nesting {
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  isClosed = false;

  /** @returns the index behind the value, or the end of the text */
  advance(text: string, from: number): number {
    let at = from;
    while (at < text.length && !this.isClosed) this.#take(text[at++] ?? '');
    return at;
  }

  #take(character: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.#inString) {
      if (character === '\\') this.#isEscaped = true;
      else if (character === '"') this.#inString = false;
    } else if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') this.#depth += 1;
    else if (character === '}' || character === ']') {
      this.#depth -= 1;
      this.isClosed = this.#depth <= 0;
    }
  }
}

function parsed(text: string): unknown {
  try {
    return parseOrderedJson(text);
  } catch {
    return undefined;
  }
}

function stringOf(json: string): string | undefined {
  const value = parsed(json);
  return typeof value === 'string' ? value : undefined;
}

function callOf(json: string): { readonly name: string; readonly args: string } | undefined {
  const value = parsed(json);
  if (typeof value !== 'object' || value === null || !('name' in value) || typeof value.name !== 'string')
    return undefined;
  const args: unknown =
    'arguments' in value ? value.arguments : 'parameters' in value ? value.parameters : {};
  return { name: value.name, args: typeof args === 'string' ? args : JSON.stringify(args) };
}
