/** The rules of SentencePiece's named normalisations, made from the engine's own Unicode tables. */

export const NORMALIZATIONS = ['nmt_nfkc', 'nfkc', 'identity'] as const;
export type Normalization = (typeof NORMALIZATIONS)[number];

/** What a sequence of characters becomes. The longest rule that fits at a place is taken, as in SentencePiece. */
export type NormalizationRules = ReadonlyMap<string, string>;

/**
 * Where NFKC or its decomposition changes a character: [first, last]. The ideographs and Hangul syllables between them
 * are their own NFKC; the tests look at every code point.
 */
const CHANGED_RANGES = [
  [0x00a0, 0x33ff],
  [0xa640, 0xabff],
  [0xf900, 0xffff],
  [0x10500, 0x107ff],
  [0x11000, 0x11fff],
  [0x16100, 0x16dff],
  [0x1cc00, 0x1f2ff],
  [0x1fb00, 0x1fbff],
  [0x2f800, 0x2fa1f],
] as const;
const MAX_SEQUENCE = 4;
const HANGUL = { first: 0xac00, last: 0xd7a3 } as const;
/** Hangul has rules of its own; characters that hold framed syllables would add thousands. */
const JAMO = /[\u1100-\u11ff]/;

/** What "nmt" adds: these are spaces, as well as the white space of ASCII. */
const NMT_SPACES = [
  0x09, 0x0a, 0x0c, 0x0d, 0x1680, 0x200b, 0x200c, 0x200e, 0x200f, 0x2028, 0x2029, 0x2581, 0xfeff, 0xfffd,
];
/** Kept as it is by "nmt": in Japanese it is no ASCII tilde. */
const FULLWIDTH_TILDE = '\uff5e';

/**
 * The rules of a normalisation: for each character its NFKC, for each sequence that composes its composition, and for
 * nmt_nfkc the white space and control characters of machine translation. Conjoining Hangul jamo compose; half-width and
 * compatibility jamo become conjoining ones each by itself.
 */
export function normalizationRules(name: Normalization): NormalizationRules {
  if (name === 'identity') return new Map();
  const rules = nfkcRules();
  if (name === 'nfkc') return rules;
  for (const codePoint of NMT_SPACES) rules.set(String.fromCodePoint(codePoint), ' ');
  for (let control = 0x01; control < 0x20; control++) {
    if (!NMT_SPACES.includes(control)) rules.set(String.fromCodePoint(control), '');
  }
  for (const control of [0x7f, 0x8f, 0x9f]) rules.set(String.fromCodePoint(control), '');
  rules.delete(FULLWIDTH_TILDE);
  return rules;
}

function nfkcRules(): Map<string, string> {
  const rules = new Map<string, string>();
  const decompositions = new Set<string>();
  /** Characters that decompose to this one alone, itself among them. */
  const originals = new Map<string, string[]>();
  for (const [first, last] of CHANGED_RANGES) {
    for (let codePoint = first; codePoint <= last; codePoint++) {
      if (codePoint >= 0xd800 && codePoint < 0xe000) continue;
      const character = String.fromCodePoint(codePoint);
      const composed = character.normalize('NFKC');
      if (composed !== character) rules.set(character, composed);
      const decomposed = character.normalize('NFKD');
      if (decomposed === character) continue;
      if (decomposed.length > (decomposed.codePointAt(0)! > 0xffff ? 2 : 1)) decompositions.add(decomposed);
      else originals.set(decomposed, [...(originals.get(decomposed) ?? []), character]);
    }
  }
  const sequences: [string, string][] = [];
  for (const decomposed of decompositions) {
    const composed = decomposed.normalize('NFKC');
    if (composed === decomposed || JAMO.test(decomposed)) continue;
    for (const sequence of spellings(decomposed, originals)) {
      if (sequence !== composed) sequences.push([sequence, composed]);
    }
  }
  for (let codePoint = HANGUL.first; codePoint <= HANGUL.last; codePoint++) {
    const syllable = String.fromCodePoint(codePoint);
    rules.set(syllable.normalize('NFKD'), syllable);
  }
  // Shorter ones first: a sequence whose parts give the same result needs no rule of its own.
  sequences.sort(([a], [b]) => a.length - b.length);
  for (const [sequence, composed] of sequences) {
    if (applyRules(rules, sequence) !== composed) rules.set(sequence, composed);
  }
  return rules;
}

/** All sequences that decompose to this one, character by character. */
function spellings(decomposed: string, originals: ReadonlyMap<string, readonly string[]>): string[] {
  let found = [''];
  for (const character of decomposed) {
    const choices = [character, ...(originals.get(character) ?? [])];
    found = found.flatMap((start) => choices.map((choice) => start + choice));
  }
  return found;
}

/** Longest rule first, from left to right. */
export function applyRules(rules: NormalizationRules, text: string): string {
  const characters = [...text];
  let out = '';
  for (let at = 0; at < characters.length; ) {
    let length = Math.min(characters.length - at, MAX_SEQUENCE);
    let replacement: string | undefined;
    for (; length > 0; length--) {
      replacement = rules.get(characters.slice(at, at + length).join(''));
      if (replacement !== undefined) break;
    }
    out += replacement ?? characters[at]!;
    at += Math.max(length, 1);
  }
  return out;
}
