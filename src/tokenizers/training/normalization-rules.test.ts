import { describe, expect, it } from 'vitest';
import { Charsmap } from '../sentencepiece/charsmap.js';
import { compileCharsmap } from './compile-charsmap.js';
import { applyRules, normalizationRules } from './normalization-rules.js';

const nfkc = normalizationRules('nfkc');

describe('normalizationRules', () => {
  it('gives the NFKC of every code point', () => {
    const wrong: string[] = [];
    for (let codePoint = 1; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint >= 0xd800 && codePoint < 0xe000) continue;
      const character = String.fromCodePoint(codePoint);
      if ((nfkc.get(character) ?? character) !== character.normalize('NFKC'))
        wrong.push(codePoint.toString(16));
    }
    expect(wrong).toEqual([]);
  });

  it('composes what is written in parts', () => {
    for (const text of ['café', 'Ệ', '한글 각', 'ｶﾞｷﾞ', 'が', '①２', 'ﬁ', '\u01d6']) {
      expect(applyRules(nfkc, text.normalize('NFD'))).toBe(text.normalize('NFKC'));
    }
  });

  it('nmt_nfkc: white space is space, control characters vanish, the full-width tilde stays', () => {
    const nmt = normalizationRules('nmt_nfkc');
    expect(applyRules(nmt, 'a\tb\u200bc\u0001d\u2581e～～')).toBe('a b cd e～～');
    expect(applyRules(normalizationRules('identity'), 'ａ\t')).toBe('ａ\t');
  });
});

describe('compileCharsmap', () => {
  it('holds exactly the rules', () => {
    const charsmap = new Charsmap(compileCharsmap(nfkc), 'compiled');
    for (const [key, value] of nfkc) {
      expect(charsmap.match(key, 0), key).toBe(value);
      expect(charsmap.matchLength).toBe(key.length);
    }
    for (const text of ['abc', '汉字', '\u{1f600}', '\u0000', '\ufffd']) {
      if (!nfkc.has(text)) expect(charsmap.match(text, 0)).toBeUndefined();
    }
  });
});
