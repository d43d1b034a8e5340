/** The grammar of JSON values. */
import type { GrammarBuilder, GrammarNode, RuleNode } from './byte-grammar.js';
import { numberGrammar } from './number-grammar.js';
import {
  ALL_CODE_POINTS,
  type CodePointSet,
  codePointSet,
  codePointsOf,
  difference,
  hasCodePoint,
  intersection,
  utf8Node,
} from './regex/code-points.js';
import { cachedBySet } from './regex/regex-grammar.js';

/** Characters that stand for themselves in a string of JSON. */
const PLAIN = difference(
  ALL_CODE_POINTS,
  codePointSet([
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ]),
);
const SHORT_ESCAPES: readonly (readonly [character: string, spelling: string])[] = [
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
];

export interface Member {
  readonly key: string;
  readonly value: GrammarNode;
  readonly isRequired: boolean;
}

/**
 * JSON on one line. White space is bounded by construction: at most one space after a colon or a comma, none
 * elsewhere.
 */
export class JsonGrammar {
  readonly #builder: GrammarBuilder;
  readonly #quote: GrammarNode;
  readonly comma: GrammarNode;
  readonly #colon: GrammarNode;
  /** One character of a string with all its spellings; escaped surrogates come in pairs. */
  readonly #character: GrammarNode;
  readonly #keyCharacter: GrammarNode;
  readonly #value: RuleNode;
  /** Any string. */
  readonly string: GrammarNode;
  /** Any object. */
  readonly object: GrammarNode;
  /** Any array. */
  readonly array: GrammarNode;

  constructor(builder: GrammarBuilder) {
    this.#builder = builder;
    this.#quote = builder.literal('"');
    const space = builder.optional(builder.literal(' '));
    this.comma = builder.sequence([builder.literal(','), space]);
    this.#colon = builder.sequence([builder.literal(':'), space]);
    const short = SHORT_ESCAPES.map(([, spelling]) => spelling);
    const plain = utf8Node(builder, PLAIN);
    this.#character = builder.choice([plain, builder.literals([...short, '\\/']), unicodeEscape(builder)]);
    this.#keyCharacter = builder.choice([plain, builder.literals(['\\"', '\\\\'])]);
    this.string = this.stringOf(0, Number.POSITIVE_INFINITY);
    this.#value = builder.rule();
    this.object = this.map(this.#value);
    this.array = this.list([], this.#value, 0, Number.POSITIVE_INFINITY);
    this.#value.target = builder.choice([
      this.object,
      this.array,
      this.string,
      numberGrammar(builder, {}),
      builder.literals(['true', 'false', 'null']),
    ]);
  }

  /** Any value. */
  get value(): GrammarNode {
    return this.#value;
  }

  /** A string of min..max characters. */
  stringOf(min: number, max: number): GrammarNode {
    return this.quoted(this.#builder.repeat(this.#character, min, max));
  }

  quoted(body: GrammarNode): GrammarNode {
    return this.#builder.sequence([this.#quote, body, this.#quote]);
  }

  /** Any number of any characters within a string. */
  get anyCharacters(): GrammarNode {
    return this.#builder.repeat(this.#character, 0, Number.POSITIVE_INFINITY);
  }

  /** One character of a set within a string; escaped only where it must be. */
  readonly characterOf = cachedBySet((set: CodePointSet) => {
    const options = [utf8Node(this.#builder, intersection(set, PLAIN))];
    for (let code = 0; code < 0x60; code++) {
      if (!hasCodePoint(set, code) || hasCodePoint(PLAIN, code)) continue;
      options.push(this.#builder.literal(JSON.stringify(String.fromCharCode(code)).slice(1, -1)));
    }
    return this.#builder.choice(options);
  });

  /** An array: the first items, then between min and max items in all. */
  list(first: readonly GrammarNode[], item: GrammarNode | undefined, min: number, max: number): GrammarNode {
    const builder = this.#builder;
    const afterComma = (node: GrammarNode) => builder.sequence([this.comma, node]);
    const last = item === undefined ? Math.min(max, first.length) : max;
    if (min > last) return builder.nothing;
    // From the end: what may follow when `count` items have been written.
    let rest: GrammarNode = builder.empty;
    if (item !== undefined && last > first.length) {
      const needed = Math.max(0, min - first.length);
      const count = last - first.length;
      if (first.length > 0) rest = builder.repeat(afterComma(item), needed, count);
      else {
        const items = builder.sequence([
          item,
          builder.repeat(afterComma(item), Math.max(0, needed - 1), count - 1),
        ]);
        rest = needed > 0 ? items : builder.optional(items);
      }
    }
    for (let index = Math.min(first.length, last) - 1; index >= 0; index--) {
      const node = index === 0 ? first[index]! : afterComma(first[index]!);
      const withItem = builder.sequence([node, rest]);
      rest = index < min ? withItem : builder.optional(withItem);
    }
    return builder.sequence([builder.literal('['), rest, builder.literal(']')]);
  }

  /** An object of any keys. */
  map(value: GrammarNode): GrammarNode {
    return this.members([], this.member(this.string, value));
  }

  /**
   * An object with these members in this order, and others, if any, after them.
   * @param other one of the other members
   * @param counts how many members in all
   */
  members(
    members: readonly Member[],
    other: GrammarNode | undefined,
    { min, max }: { min: number; max: number } = { min: 0, max: Number.POSITIVE_INFINITY },
  ): GrammarNode {
    const builder = this.#builder;
    const isBounded = max !== Number.POSITIVE_INFINITY;
    /** Counts beyond make no difference. */
    const cap = isBounded ? members.length : Math.min(Math.max(min, 1), Math.max(members.length, 1));
    /** What may follow once so many members stand there. */
    let rests = Array.from({ length: cap + 1 }, (_, count) => this.#others(other, count, min, max));
    for (const { key, value, isRequired } of [...members].reverse()) {
      const member = this.member(builder.literal(JSON.stringify(key)), value);
      const after = rests;
      rests = after.map((without, count) => {
        const isFull = isBounded && count >= max;
        const next = after[Math.min(count + 1, cap)]!;
        const separated = count === 0 ? [member, next] : [this.comma, member, next];
        const options = isFull ? [] : [builder.sequence(separated)];
        return builder.choice(isRequired ? options : [...options, without]);
      });
    }
    return this.#braces(rests[0]!);
  }

  /** A member whose key is spelled by a node. */
  member(key: GrammarNode, value: GrammarNode): GrammarNode {
    return this.#builder.sequence([key, this.#colon, value]);
  }

  #others(other: GrammarNode | undefined, count: number, min: number, max: number): GrammarNode {
    const builder = this.#builder;
    const [low, high] = [Math.max(min - count, 0), max - count];
    if (other === undefined || high <= 0) return low > 0 ? builder.nothing : builder.empty;
    const more = builder.sequence([this.comma, other]);
    if (count > 0) return builder.repeat(more, low, high);
    const some = builder.sequence([other, builder.repeat(more, Math.max(low - 1, 0), high - 1)]);
    return low > 0 ? some : builder.optional(some);
  }

  /** One given value. */
  constant(value: unknown): GrammarNode {
    if (Array.isArray(value)) {
      const items = value.map((item) => this.constant(item));
      return this.list(items, undefined, items.length, items.length);
    }
    if (typeof value === 'object' && value !== null) {
      const members = Object.entries(value).map(([key, member]) => ({
        key,
        value: this.constant(member),
        isRequired: true,
      }));
      return this.members(members, undefined);
    }
    return this.#builder.literal(JSON.stringify(value));
  }

  #braces(body: GrammarNode): GrammarNode {
    return this.#builder.sequence([this.#builder.literal('{'), body, this.#builder.literal('}')]);
  }

  /** A key that is none of the names. Escapes only where they must be, so that no name comes in disguise. */
  keyExcept(names: readonly string[]): GrammarNode {
    const builder = this.#builder;
    const free = builder.sequence([
      builder.repeat(this.#keyCharacter, 0, Number.POSITIVE_INFINITY),
      this.#quote,
    ]);
    const allowed = difference(ALL_CODE_POINTS, codePointSet([[0, 0x1f]]));
    const after = (rests: readonly string[]): GrammarNode => {
      if (rests.length === 0) return free;
      const byFirst = new Map<string, string[]>();
      for (const rest of rests) {
        if (rest === '') continue;
        const first = String.fromCodePoint(rest.codePointAt(0)!);
        byFirst.set(first, [...(byFirst.get(first) ?? []), rest.slice(first.length)]);
      }
      const others = difference(allowed, codePointsOf([...byFirst.keys()].join('')));
      const options = [builder.sequence([this.characterOf(others), free])];
      if (!rests.includes('')) options.push(this.#quote);
      for (const [first, next] of byFirst) {
        if (hasCodePoint(allowed, first.codePointAt(0)!)) {
          options.push(builder.sequence([this.characterOf(codePointsOf(first)), after(next)]));
        }
      }
      return builder.choice(options);
    };
    return builder.sequence([this.#quote, after(names)]);
  }
}

/** \uXXXX of a character, or two for a pair of surrogates. */
function unicodeEscape(builder: GrammarBuilder): GrammarNode {
  const digit = (characters: string) => {
    const set = new Uint8Array(256);
    for (const character of characters) set[character.charCodeAt(0)] = 1;
    return builder.bytes(set);
  };
  const any = digit('0123456789abcdefABCDEF');
  const start = builder.literal('\\u');
  const single = builder.choice([
    builder.sequence([digit('0123456789abcefABCEF'), any, any, any]),
    builder.sequence([digit('dD'), digit('01234567'), any, any]),
  ]);
  const pair = [digit('dD'), digit('89abAB'), any, any, start, digit('dD'), digit('cdefCDEF'), any, any];
  return builder.sequence([start, builder.choice([single, builder.sequence(pair)])]);
}
