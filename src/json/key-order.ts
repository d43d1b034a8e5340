/**
 * The order of the keys of JSON. JavaScript lists keys that look like an index ("10", "2") first and by their number,
 * whatever the text says; here an object keeps the order of its text. Such an object is a proxy: it reads, and is written by
 * JSON.stringify, in that order. Copies of it and structured clones do not work so: send its JSON to other threads.
 */

/** A key that may be an index; digits may be escaped. */
const INDEX_KEY = /"(?:\d|\\u003\d){1,10}"[ \t\n\r]*:/;
/** Characters between two turns. */
const TURN = 64 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Might an object of this JSON lose the order of its keys? */
export function hasIndexKeys(json: string): boolean {
  return INDEX_KEY.test(json);
}

/** JSON.parse whose objects keep the order of their keys. @throws SyntaxError */
export function parseOrderedJson(json: string): unknown {
  const value: unknown = JSON.parse(json);
  if (!hasIndexKeys(json)) return value;
  const turns = orderKeys(value, json);
  for (let turn = turns.next(); ; turn = turns.next()) if (turn.done === true) return turn.value;
}

/** Object.fromEntries whose object keeps the order of the entries. */
export function orderedObject<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  const object: Record<string, Value> = Object.fromEntries(entries);
  return inOrder(object, [...new Set(entries.map(([key]) => key))]);
}

/**
 * Gives the objects within a value the order that their keys have in its text. Yields now and then, so that others can have
 * their turn.
 * @param value what JSON.parse made of the text; its parts are replaced
 * @returns the value, or what takes its place
 */
export function* orderKeys(value: unknown, json: string): Generator<undefined, unknown> {
  const reader = new KeyOrderReader(value);
  let turnEnd = TURN;
  for (let at = 0; at < json.length; at++) {
    if (at >= turnEnd) {
      turnEnd = at + TURN;
      yield;
    }
    switch (json.charCodeAt(at)) {
      case QUOTE: {
        let end = json.indexOf('"', at + 1);
        for (; isEscaped(json, end); end = json.indexOf('"', end + 1))
          if (end >= turnEnd) {
            turnEnd = end + TURN;
            yield;
          }
        reader.passText(json, at, end + 1);
        at = end;
        break;
      }
      case OPEN_OBJECT:
        reader.enter(new Set());
        break;
      case OPEN_LIST:
        reader.enter(undefined);
        break;
      case COMMA:
        reader.passComma();
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        reader.leave();
        break;
    }
  }
  return reader.value;
}

/** An object that is being read, or a list. */
interface OpenValue {
  /** undefined: of a key that stands a second time later on. */
  readonly value: unknown;
  /** Of an object. */
  readonly keys: Set<string> | undefined;
  /** What is read next: its key, or its index in a list. */
  at: string | number;
}

/** Goes through a value along its text. */
class KeyOrderReader {
  /** A list of one, so that the root can be replaced as well. */
  readonly #root: OpenValue;
  readonly #outer: OpenValue[] = [];
  #current: OpenValue;
  #isKey = false;

  constructor(value: unknown) {
    this.#root = { value: [value], keys: undefined, at: 0 };
    this.#current = this.#root;
  }

  get value(): unknown {
    return childOf(this.#root);
  }

  /** Over a key, or a text. */
  passText(json: string, start: number, end: number): void {
    if (!this.#isKey) return;
    const key = textOf(json.slice(start, end));
    this.#current.keys?.add(key);
    this.#current.at = key;
    this.#isKey = false;
  }

  passComma(): void {
    if (typeof this.#current.at === 'number') this.#current.at += 1;
    else this.#isKey = true;
  }

  /** @param keys where those of an object go; undefined: into a list */
  enter(keys: Set<string> | undefined): void {
    this.#outer.push(this.#current);
    this.#current = { value: childOf(this.#current), keys, at: keys === undefined ? 0 : '' };
    this.#isKey = keys !== undefined;
  }

  leave(): void {
    const { value, keys } = this.#current;
    this.#current = this.#outer.pop() ?? this.#root;
    this.#isKey = false;
    if (keys !== undefined && isObject(value)) setChild(this.#current, inOrder(value, [...keys]));
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Own properties only: of a key that stands twice, the first value may have keys that the last has not. */
function childOf({ value, at }: OpenValue): unknown {
  return isObject(value) && Object.hasOwn(value, at) ? Reflect.get(value, at) : undefined;
}

/** Defined, since a key may be __proto__. */
function setChild(parent: OpenValue, child: object): void {
  const { value, at } = parent;
  if (isObject(value) && childOf(parent) !== undefined && childOf(parent) !== child)
    Object.defineProperty(value, at, { value: child });
}

/** The object itself where it has the order, or other keys. */
function inOrder<Target extends object>(object: Target, keys: readonly string[]): Target {
  const natural = Object.keys(object);
  if (natural.length !== keys.length || natural.every((key, index) => key === keys[index])) return object;
  if (!keys.every((key) => Object.hasOwn(object, key))) return object;
  return new Proxy(object, { ownKeys: () => [...keys] });
}

function isEscaped(json: string, at: number): boolean {
  let slashes = 0;
  while (json.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}

function textOf(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  const text: unknown = JSON.parse(literal);
  return String(text);
}
