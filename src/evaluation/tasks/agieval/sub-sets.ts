/** The sub-sets of AGIEval: language, and what a right answer is. */
import type { Language } from './extraction.js';

export interface SubSet {
  readonly language: Language;
  /** One option, several, or an answer in words and formulas. */
  readonly kind: 'one' | 'several' | 'cloze';
}

const ENGLISH =
  'lsat-ar lsat-lr lsat-rc logiqa-en sat-math sat-en sat-en-without-passage aqua-rat gaokao-english'.split(
    ' ',
  );
const CHINESE =
  'logiqa-zh gaokao-chinese gaokao-geography gaokao-history gaokao-biology gaokao-chemistry gaokao-mathqa'.split(
    ' ',
  );
const SEVERAL = 'jec-qa-kd jec-qa-ca gaokao-physics'.split(' ');

export const SUB_SETS: Readonly<Record<string, SubSet>> = Object.fromEntries([
  ...ENGLISH.map((name): [string, SubSet] => [name, { language: 'en', kind: 'one' }]),
  ...CHINESE.map((name): [string, SubSet] => [name, { language: 'zh', kind: 'one' }]),
  ...SEVERAL.map((name): [string, SubSet] => [name, { language: 'zh', kind: 'several' }]),
  ['math', { language: 'en', kind: 'cloze' }],
  ['gaokao-mathcloze', { language: 'zh', kind: 'cloze' }],
]);

/** The paper has twenty; this one came with the data. */
export const NOT_IN_THE_PAPER = 'sat-en-without-passage';
