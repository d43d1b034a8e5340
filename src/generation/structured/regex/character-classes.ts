import { ALL_CODE_POINTS, type CodePointSet } from './code-points.js';

/** All characters, divided so that no set of some patterns tells two of one class apart. */
export interface CharacterClasses {
  readonly count: number;
  /** The class of a code point; -1 for a surrogate. */
  of(codePoint: number): number;
  /** The class that all of from..to have; undefined if they differ. */
  ofRange(from: number, to: number): number | undefined;
  /** Whether a class belongs to one of the sets. */
  contains(set: CodePointSet, each: number): boolean;
}

export function characterClasses(sets: readonly CodePointSet[]): CharacterClasses {
  const distinct = [...new Map([ALL_CODE_POINTS, ...sets].map((set) => [set.join(' '), set])).values()];
  // Places where one of the sets begins or ends.
  const changes = new Map<number, number[]>([[0, []]]);
  for (const [index, set] of distinct.entries()) {
    for (const [from, to] of set) {
      for (const boundary of [from, to + 1]) changes.set(boundary, [...(changes.get(boundary) ?? []), index]);
    }
  }
  const starts = [...changes.keys()].sort((a, b) => a - b);
  const inside = new Uint8Array(distinct.length);
  const numbers = new Map<string, number>();
  const members: Uint8Array[] = [];
  const classes = starts.map((start) => {
    for (const index of changes.get(start)!) inside[index]! ^= 1;
    if (inside[0] === 0) return -1;
    const key = inside.join('');
    let number = numbers.get(key);
    if (number === undefined) {
      number = members.push(inside.slice()) - 1;
      numbers.set(key, number);
    }
    return number;
  });
  const indexOf = new Map(distinct.map((set, index) => [set.join(' '), index]));
  const known = new Map<CodePointSet, number>();
  const intervalOf = (codePoint: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= codePoint) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    count: members.length,
    of: (codePoint) => classes[intervalOf(codePoint)]!,
    ofRange(from, to) {
      const first = intervalOf(from);
      const last = intervalOf(to);
      const each = classes[first]!;
      for (let at = first + 1; at <= last; at++) if (classes[at] !== each) return undefined;
      return each;
    },
    contains(set, each) {
      let index = known.get(set);
      if (index === undefined) {
        index = indexOf.get(set.join(' ')) ?? -1;
        known.set(set, index);
      }
      return index >= 0 && members[each]![index] === 1;
    },
  };
}
