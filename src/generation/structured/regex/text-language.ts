/**
 * Sets of texts as terms: characters, sequences, repetitions, and any combination of "or", "and" and "not". What may follow a
 * first character is again such a set, its derivative (Brzozowski 1964), so that a machine can be built without backtracking.
 */
import { InputError } from '../../../errors/index.js';
import { ALL_CODE_POINTS, type CodePointSet } from './code-points.js';
import { StateLimit } from './state-limit.js';

export type Language =
  | { readonly kind: 'nothing' | 'empty'; readonly id: number }
  | { readonly kind: 'set'; readonly id: number; readonly set: CodePointSet }
  | { readonly kind: 'sequence'; readonly id: number; readonly head: Language; readonly tail: Language }
  | { readonly kind: 'or' | 'and'; readonly id: number; readonly members: readonly Language[] }
  | { readonly kind: 'not'; readonly id: number; readonly body: Language }
  | {
      readonly kind: 'repeat';
      readonly id: number;
      readonly body: Language;
      readonly min: number;
      readonly max: number;
    }
  | LanguageVariable;

/** A name for what is defined later. Every way back to it takes a character. */
export interface LanguageVariable {
  readonly kind: 'variable';
  readonly id: number;
  target: Language | undefined;
}

export function unguarded(): InputError {
  return new InputError(
    'A pattern of the grammar repeats a group that may be empty and holds a look-ahead, an anchor or a word boundary, which is not supported.',
  );
}

/** Terms of all patterns of one grammar together. */
const MAX_TERMS = 400_000;

/** Makes terms; equal ones are one object. */
export class LanguageBuilder {
  readonly #terms = new Map<string, Language>();
  readonly #nullable = new Map<number, boolean>();
  readonly #checkTime: () => void;
  readonly #visited = new Set<LanguageVariable>();
  #count = 0;
  readonly nothing: Language = { kind: 'nothing', id: this.#count++ };
  /** The empty text alone. */
  readonly empty: Language = { kind: 'empty', id: this.#count++ };
  readonly character: Language;
  /** Every text. */
  readonly all: Language;

  /** @param checkTime throws once the work takes too long */
  constructor(checkTime: () => void = () => undefined) {
    this.#checkTime = checkTime;
    this.character = this.set(ALL_CODE_POINTS);
    this.all = this.repeat(this.character, 0, Number.POSITIVE_INFINITY);
  }

  set(set: CodePointSet): Language {
    if (set.length === 0) return this.nothing;
    return this.#term(`s${set.join(' ')}`, (id) => ({ kind: 'set', id, set }));
  }

  sequence(head: Language, tail: Language): Language {
    if (head === this.nothing || tail === this.nothing) return this.nothing;
    if (head === this.empty) return tail;
    if (tail === this.empty) return head;
    if (head.kind === 'sequence') return this.sequence(head.head, this.sequence(head.tail, tail));
    return this.#term(`.${head.id} ${tail.id}`, (id) => ({ kind: 'sequence', id, head, tail }));
  }

  or(options: readonly Language[]): Language {
    const members = this.#flatten('or', options, this.nothing);
    if (members.includes(this.all)) return this.all;
    return this.#joined('or', members, this.nothing);
  }

  and(parts: readonly Language[]): Language {
    const members = this.#flatten('and', parts, this.all);
    if (members.includes(this.nothing)) return this.nothing;
    if (members.includes(this.empty))
      return members.every((each) => this.isNullable(each)) ? this.empty : this.nothing;
    return this.#joined('and', members, this.all);
  }

  not(body: Language): Language {
    if (body === this.nothing) return this.all;
    if (body === this.all) return this.nothing;
    if (body.kind === 'not') return body.body;
    return this.#term(`!${body.id}`, (id) => ({ kind: 'not', id, body }));
  }

  repeat(body: Language, min: number, max: number): Language {
    if (max <= 0 || body === this.empty) return this.empty;
    if (body === this.nothing) return min === 0 ? this.empty : this.nothing;
    if (min === 1 && max === 1) return body;
    const minCount = min > 0 && this.isNullable(body) ? 0 : min;
    return this.#term(`*${body.id} ${minCount} ${max}`, (id) => ({
      kind: 'repeat',
      id,
      body,
      min: minCount,
      max,
    }));
  }

  variable(): LanguageVariable {
    const variable: LanguageVariable = { kind: 'variable', id: this.#count++, target: undefined };
    return variable;
  }

  /** Any of the texts. */
  literals(texts: readonly string[]): Language {
    return this.or(texts.map((text) => this.literal(text)));
  }

  literal(text: string): Language {
    return [...text].reduceRight<Language>((tail, character) => {
      const code = character.codePointAt(0)!;
      return this.sequence(this.set([[code, code]]), tail);
    }, this.empty);
  }

  /** Whether the empty text is in it. */
  isNullable(term: Language): boolean {
    const known = this.#nullable.get(term.id);
    if (known !== undefined) return known;
    const answer = this.#findNullable(term);
    this.#nullable.set(term.id, answer);
    return answer;
  }

  #findNullable(term: Language): boolean {
    switch (term.kind) {
      case 'nothing':
      case 'set':
        return false;
      case 'empty':
        return true;
      case 'sequence':
        return this.isNullable(term.head) && this.isNullable(term.tail);
      case 'or':
        return term.members.some((each) => this.isNullable(each));
      case 'and':
        return term.members.every((each) => this.isNullable(each));
      case 'not':
        return !this.isNullable(term.body);
      case 'repeat':
        return term.min === 0 || this.isNullable(term.body);
      case 'variable':
        if (term.target === undefined || this.#visited.has(term)) throw unguarded();
        this.#visited.add(term);
        return this.isNullable(term.target);
    }
    term satisfies never;
    return false;
  }

  #flatten(kind: 'or' | 'and', terms: readonly Language[], neutral: Language): Language[] {
    const members = new Set<Language>();
    for (const term of terms) {
      if (term === neutral) continue;
      if (term.kind === kind) for (const each of term.members) members.add(each);
      else members.add(term);
    }
    return [...members].sort((a, b) => a.id - b.id);
  }

  #joined(kind: 'or' | 'and', members: readonly Language[], none: Language): Language {
    if (members.length <= 1) return members[0] ?? none;
    return this.#term(`${kind}${members.map(({ id }) => id).join(' ')}`, (id) => ({ kind, id, members }));
  }

  #term(key: string, make: (id: number) => Language): Language {
    const known = this.#terms.get(key);
    if (known !== undefined) return known;
    if (this.#count >= MAX_TERMS) {
      throw new StateLimit('it needs too many states; give simpler patterns or smaller counts');
    }
    if (this.#count % 512 === 0) this.#checkTime();
    const term = make(this.#count++);
    this.#terms.set(key, term);
    return term;
  }
}
