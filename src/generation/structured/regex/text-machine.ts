/** A deterministic machine over characters, from a set of texts; the states from which no text is reached are left out. */
import { type CharacterClasses, characterClasses } from './character-classes.js';
import type { CodePointSet } from './code-points.js';
import { StateLimit } from './state-limit.js';
import { type Language, type LanguageBuilder, unguarded } from './text-language.js';

export interface TextMachine {
  readonly classes: CharacterClasses;
  readonly numStates: number;
  readonly start: number;
  /** [numStates, classes.count]: the next state, -1 for none. */
  readonly next: Int32Array;
  /** 1 where the text may end. */
  readonly accepting: Uint8Array;
}

const MAX_STATES = 100_000;

/**
 * @param checkTime throws once the work takes too long
 * @returns undefined if there is no text at all
 * @throws StateLimit
 */
export function textMachine(
  builder: LanguageBuilder,
  language: Language,
  checkTime: () => void,
): TextMachine | undefined {
  const classes = characterClasses(setsOf(language));
  const derivatives = new Derivatives(builder, classes);
  // Each restriction by itself has few states; their product is cheaper to make from these than from terms.
  const parts = language.kind === 'and' ? language.members : [language];
  const machines: TextMachine[] = [];
  for (const part of parts) {
    const own = machineOf(builder, part, derivatives, classes, checkTime);
    if (own === undefined) return undefined;
    machines.push(parts.length > 1 ? minimal(own, checkTime) : own);
  }
  machines.sort((a, b) => a.numStates - b.numStates);
  return machines.reduce<TextMachine | undefined>(
    (joined, next, index) => (index === 0 ? next : joined && product(joined, next, checkTime)),
    machines[0],
  );
}

function machineOf(
  builder: LanguageBuilder,
  language: Language,
  derivatives: Derivatives,
  classes: CharacterClasses,
  checkTime: () => void,
): TextMachine | undefined {
  const states = [language];
  const indices = new Map<Language, number>([[language, 0]]);
  const rows = exploredRows(states, classes.count, checkTime, (state, each) => {
    const next = derivatives.of(state, each);
    if (next === builder.nothing) return -1;
    return indices.get(next) ?? added(states, indices, next, next);
  });
  return withoutDeadEnds(
    rows,
    states.map((state) => builder.isNullable(state)),
    classes,
  );
}

/** The texts that both accept; their classes are the same. */
function product(a: TextMachine, b: TextMachine, checkTime: () => void): TextMachine | undefined {
  const { count } = a.classes;
  const keyOf = (first: number, second: number) => first * b.numStates + second;
  const states = [keyOf(a.start, b.start)];
  const indices = new Map<number, number>([[states[0]!, 0]]);
  const rows = exploredRows(states, count, checkTime, (state, each) => {
    const second = state % b.numStates;
    const first = (state - second) / b.numStates;
    const nextFirst = a.next[first * count + each]!;
    const nextSecond = b.next[second * count + each]!;
    if (nextFirst < 0 || nextSecond < 0) return -1;
    const next = keyOf(nextFirst, nextSecond);
    return indices.get(next) ?? added(states, indices, next, next);
  });
  const accepting = states.map((state) => {
    const second = state % b.numStates;
    return a.accepting[(state - second) / b.numStates] === 1 && b.accepting[second] === 1;
  });
  return withoutDeadEnds(rows, accepting, a.classes);
}

/** A row for each state, where `target` may add states. */
function exploredRows<State>(
  states: readonly State[],
  numClasses: number,
  checkTime: () => void,
  target: (state: State, each: number) => number,
): Int32Array[] {
  const rows: Int32Array[] = [];
  for (let index = 0; index < states.length; index++) {
    if (index % 256 === 0) checkTime();
    const row = new Int32Array(numClasses);
    for (let each = 0; each < numClasses; each++) row[each] = target(states[index]!, each);
    rows.push(row);
  }
  return rows;
}

function added<State>(states: State[], indices: Map<State, number>, key: State, state: State): number {
  if (states.length >= MAX_STATES)
    throw new StateLimit(`it needs more than ${MAX_STATES} states; give simpler patterns or smaller counts`);
  const index = states.push(state) - 1;
  indices.set(key, index);
  return index;
}

/** States that no text tells apart become one (Moore 1956). */
function minimal(machine: TextMachine, checkTime: () => void): TextMachine {
  const { numStates, next, classes } = machine;
  // Equal states are equally far from an end.
  let groups = distancesToEnd(
    numStates,
    classes.count,
    (state, each) => next[state * classes.count + each]!,
    [...machine.accepting].map((each) => each === 1),
  );
  let numGroups = new Set(groups).size;
  for (;;) {
    checkTime();
    const known = new Map<string, number>();
    const refined = new Int32Array(numStates);
    for (let state = 0; state < numStates; state++) {
      let key = `${groups[state]}`;
      for (let each = 0; each < classes.count; each++) {
        const target = next[state * classes.count + each]!;
        key += target < 0 ? ',' : `,${groups[target]}`;
      }
      const group = known.get(key) ?? known.size;
      known.set(key, group);
      refined[state] = group;
    }
    groups = refined;
    if (known.size === numGroups) break;
    numGroups = known.size;
  }
  if (numGroups === numStates) return machine;
  const merged = new Int32Array(numGroups * classes.count);
  const accepting = new Uint8Array(numGroups);
  for (let state = 0; state < numStates; state++) {
    const group = groups[state]!;
    accepting[group] = machine.accepting[state]!;
    for (let each = 0; each < classes.count; each++) {
      const target = next[state * classes.count + each]!;
      merged[group * classes.count + each] = target < 0 ? -1 : groups[target]!;
    }
  }
  return { classes, numStates: numGroups, start: groups[machine.start]!, next: merged, accepting };
}

/** Whether the machine accepts the text. */
export function acceptsText({ classes, start, next, accepting }: TextMachine, text: string): boolean {
  let state = start;
  for (const character of text) {
    const each = classes.of(character.codePointAt(0)!);
    state = each < 0 ? -1 : next[state * classes.count + each]!;
    if (state < 0) return false;
  }
  return accepting[state] === 1;
}

/** Per state, the length of the shortest text that is accepted from there; -1 for none. */
function distancesToEnd(
  numStates: number,
  numClasses: number,
  target: (state: number, each: number) => number,
  isAccepting: readonly boolean[],
): Int32Array {
  // The states that lead to a state, one row after the other.
  const ends = new Int32Array(numStates + 1);
  const forEdges = (use: (source: number, to: number) => void): void => {
    for (let state = 0; state < numStates; state++) {
      for (let each = 0; each < numClasses; each++) {
        const to = target(state, each);
        if (to >= 0) use(state, to);
      }
    }
  };
  forEdges((_, to) => {
    ends[to + 1]! += 1;
  });
  for (let state = 0; state < numStates; state++) ends[state + 1]! += ends[state]!;
  const sources = new Int32Array(ends[numStates]!);
  const filled = ends.slice();
  forEdges((source, to) => {
    sources[filled[to]!++] = source;
  });
  const distances = new Int32Array(numStates).fill(-1);
  const queue = new Int32Array(numStates);
  let length = 0;
  for (const [state, accepts] of isAccepting.entries()) {
    if (!accepts) continue;
    distances[state] = 0;
    queue[length++] = state;
  }
  for (let at = 0; at < length; at++) {
    const state = queue[at]!;
    for (let edge = ends[state]!; edge < ends[state + 1]!; edge++) {
      const source = sources[edge]!;
      if (distances[source]! >= 0) continue;
      distances[source] = distances[state]! + 1;
      queue[length++] = source;
    }
  }
  return distances;
}

function withoutDeadEnds(
  rows: readonly Int32Array[],
  isAccepting: readonly boolean[],
  classes: CharacterClasses,
): TextMachine | undefined {
  const distances = distancesToEnd(
    rows.length,
    classes.count,
    (state, each) => rows[state]![each]!,
    isAccepting,
  );
  const alive = Uint8Array.from(distances, (distance) => (distance < 0 ? 0 : 1));
  if (alive[0] !== 1) return undefined;
  const numbers = new Int32Array(rows.length).fill(-1);
  let numStates = 0;
  for (const state of alive.keys()) if (alive[state] === 1) numbers[state] = numStates++;
  const next = new Int32Array(numStates * classes.count);
  const accepting = new Uint8Array(numStates);
  for (const [state, row] of rows.entries()) {
    const number = numbers[state]!;
    if (number < 0) continue;
    for (const [each, target] of row.entries())
      next[number * classes.count + each] = target < 0 ? -1 : numbers[target]!;
    accepting[number] = isAccepting[state] ? 1 : 0;
  }
  return { classes, numStates, start: 0, next, accepting };
}

function setsOf(language: Language): CodePointSet[] {
  const sets: CodePointSet[] = [];
  const seen = new Set<Language>();
  const open: (Language | undefined)[] = [language];
  while (open.length > 0) {
    const term = open.pop();
    if (term === undefined || seen.has(term)) continue;
    seen.add(term);
    switch (term.kind) {
      case 'set':
        sets.push(term.set);
        break;
      case 'sequence':
        open.push(term.head, term.tail);
        break;
      case 'or':
      case 'and':
        open.push(...term.members);
        break;
      case 'not':
      case 'repeat':
        open.push(term.body);
        break;
      case 'variable':
        open.push(term.target);
        break;
    }
  }
  return sets;
}

/** What may follow a character, per class of characters. */
class Derivatives {
  readonly #builder: LanguageBuilder;
  readonly #classes: CharacterClasses;
  readonly #known = new Map<Language, (Language | undefined)[]>();
  readonly #entered = new Set<Language>();

  constructor(builder: LanguageBuilder, classes: CharacterClasses) {
    this.#builder = builder;
    this.#classes = classes;
  }

  of(term: Language, each: number): Language {
    let row = this.#known.get(term);
    if (row === undefined) {
      row = new Array(this.#classes.count);
      this.#known.set(term, row);
    }
    row[each] ??= this.#derive(term, each);
    return row[each];
  }

  #derive(term: Language, each: number): Language {
    const builder = this.#builder;
    switch (term.kind) {
      case 'nothing':
      case 'empty':
        return builder.nothing;
      case 'set':
        return this.#classes.contains(term.set, each) ? builder.empty : builder.nothing;
      case 'sequence': {
        const after = builder.sequence(this.of(term.head, each), term.tail);
        return builder.isNullable(term.head) ? builder.or([after, this.of(term.tail, each)]) : after;
      }
      case 'or':
        return builder.or(term.members.map((member) => this.of(member, each)));
      case 'and':
        return builder.and(term.members.map((member) => this.of(member, each)));
      case 'not':
        return builder.not(this.of(term.body, each));
      case 'repeat': {
        const rest = builder.repeat(term.body, Math.max(term.min - 1, 0), term.max - 1);
        return builder.sequence(this.of(term.body, each), rest);
      }
      case 'variable': {
        if (term.target === undefined || this.#entered.has(term)) throw unguarded();
        this.#entered.add(term);
        const derivative = this.of(term.target, each);
        this.#entered.delete(term);
        return derivative;
      }
    }
    term satisfies never;
    return builder.nothing;
  }
}
