/** Characters of a property of Unicode, as JavaScript's regular expressions know it. */
import { type CodePointSet, codePointSet } from './code-points.js';

const propertySets = new Map<string, CodePointSet>();

/** @param name as `{Lu}` or `{Script=Han}`; undefined if JavaScript does not know it */
export function propertySet(name: string, checkTime: () => void): CodePointSet | undefined {
  const known = propertySets.get(name);
  if (known !== undefined) return known;
  let members: RegExp;
  try {
    members = new RegExp(`\\p${name}+`, 'gu');
  } catch {
    return undefined;
  }
  const ranges: [number, number][] = [];
  for (let plane = 0; plane <= 0x10; plane++) {
    checkTime();
    for (const { index, 0: run } of allCharacters(plane).matchAll(members)) {
      const width = plane === 0 ? 1 : 2;
      const start = plane * 0x10000 + index / width;
      // The place of the surrogates is taken by spaces.
      ranges.push([start, start + run.length / width - 1]);
    }
  }
  const set = codePointSet(ranges);
  propertySets.set(name, set);
  return set;
}

/** All characters of a plane in order. */
function allCharacters(plane: number): string {
  const units = new Uint16Array(plane === 0 ? 0x10000 : 0x20000);
  for (let low = 0; low < 0x10000; low++) {
    if (plane === 0) units[low] = low >= 0xd800 && low <= 0xdfff ? 0x20 : low;
    else {
      const offset = (plane - 1) * 0x10000 + low;
      units[2 * low] = 0xd800 + (offset >> 10);
      units[2 * low + 1] = 0xdc00 + (offset & 0x3ff);
    }
  }
  return Buffer.from(units.buffer).toString('utf16le');
}
