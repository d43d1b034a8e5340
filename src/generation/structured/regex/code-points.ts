/** Sets of Unicode code points, and the bytes that spell their members in UTF-8. Surrogates are never members. */
import type { GrammarBuilder, GrammarNode } from '../byte-grammar.js';

/** Inclusive ranges, ascending, apart from each other. */
export type CodePointSet = readonly (readonly [from: number, to: number])[];

const LAST = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

export const ALL_CODE_POINTS: CodePointSet = [
  [0, FIRST_SURROGATE - 1],
  [LAST_SURROGATE + 1, LAST],
];

/** Ranges in any order. */
export function codePointSet(ranges: Iterable<readonly [number, number]>): CodePointSet {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return intersection(merged, ALL_CODE_POINTS);
}

export function codePointsOf(characters: string): CodePointSet {
  return codePointSet(
    [...characters].map((character) => [character.codePointAt(0)!, character.codePointAt(0)!]),
  );
}

export function union(...sets: readonly CodePointSet[]): CodePointSet {
  return codePointSet(sets.flat());
}

export function intersection(a: CodePointSet, b: CodePointSet): CodePointSet {
  const out: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i]![0], b[j]![0]);
    const to = Math.min(a[i]![1], b[j]![1]);
    if (from <= to) out.push([from, to]);
    if (a[i]![1] < b[j]![1]) i += 1;
    else j += 1;
  }
  return out;
}

/** Every other code point. */
export function complement(set: CodePointSet): CodePointSet {
  const out: [number, number][] = [];
  let next = 0;
  for (const [from, to] of set) {
    if (from > next) out.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) out.push([next, LAST]);
  return intersection(out, ALL_CODE_POINTS);
}

export function difference(a: CodePointSet, b: CodePointSet): CodePointSet {
  return intersection(a, complement(b));
}

export function hasCodePoint(set: CodePointSet, codePoint: number): boolean {
  return set.some(([from, to]) => from <= codePoint && codePoint <= to);
}

/** Last code point of one, two, three and four bytes of UTF-8. */
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, LAST];

/** One character of the set, in UTF-8. */
export function utf8Node(builder: GrammarBuilder, set: CodePointSet): GrammarNode {
  const single = new Uint8Array(256);
  const options: GrammarNode[] = [];
  for (const [from, to] of set) {
    let start = from;
    for (const last of LAST_OF_LENGTH) {
      if (start > last || start > to) continue;
      const end = Math.min(to, last);
      if (last === 0x7f) single.fill(1, start, end + 1);
      else options.push(...multiByte(builder, [...utf8Of(start)], [...utf8Of(end)]));
      start = end + 1;
    }
  }
  if (single.includes(1)) options.unshift(builder.bytes(single));
  return builder.choice(options);
}

function utf8Of(codePoint: number): Uint8Array {
  return Buffer.from(String.fromCodePoint(codePoint));
}

/** All byte strings from..to of one length, where every byte after the first goes from 0x80 to 0xbf. */
function multiByte(builder: GrammarBuilder, from: number[], to: number[]): GrammarNode[] {
  const first = from[0]!;
  const last = to[0]!;
  if (from.length === 1) return [byteRange(builder, first, last)];
  const lowest = from.slice(1).map(() => 0x80);
  const highest = from.slice(1).map(() => 0xbf);
  const after = (byteFrom: number, byteTo: number, rests: GrammarNode[]) =>
    builder.sequence([byteRange(builder, byteFrom, byteTo), builder.choice(rests)]);
  if (first === last) return [after(first, first, multiByte(builder, from.slice(1), to.slice(1)))];
  const options: GrammarNode[] = [];
  const startsWhole = from.slice(1).every((byte) => byte === 0x80);
  const endsWhole = to.slice(1).every((byte) => byte === 0xbf);
  const wholeFrom = startsWhole ? first : first + 1;
  const wholeTo = endsWhole ? last : last - 1;
  if (!startsWhole) options.push(after(first, first, multiByte(builder, from.slice(1), highest)));
  if (wholeFrom <= wholeTo) options.push(after(wholeFrom, wholeTo, multiByte(builder, lowest, highest)));
  if (!endsWhole) options.push(after(last, last, multiByte(builder, lowest, to.slice(1))));
  return options;
}

function byteRange(builder: GrammarBuilder, from: number, to: number): GrammarNode {
  return builder.bytes(new Uint8Array(256).fill(1, from, to + 1));
}
