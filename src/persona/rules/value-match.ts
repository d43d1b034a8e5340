/** Whether a text says a value: whole, in part of a list, as another form of a number or date, and not only to deny it. */
import { comparable, datesAgree, findAges, findDates, withArabicNumbers } from './normalise.js';

/** Longer items are found by what they have in common, shorter ones word for word. */
const LONG_ITEM = 6;
const SHARED_PAIRS = { han: 0.65, words: 0.8 } as const;
/** Pairs of Chinese signs, or long words: fewer are no phrase. */
const FEWEST_PAIRS = 3;

/** @param value one alternative */
export function coversValue(text: string, value: string): boolean {
  const wanted = comparable(value);
  if (wanted === '') return false;
  if (saysPart(text, value)) return true;
  const [date] = findDates(value);
  if (date !== undefined) return findDates(text).some((each) => datesAgree(each, date));
  const ages = /^\d+(岁|years?( old)?)?$/.test(wanted) ? [Number(/^\d+/.exec(wanted)?.[0])] : findAges(value);
  if (ages.length > 0) {
    const numbers = (withArabicNumbers(text).match(/\d+/g) ?? []).map(Number);
    return ages.some((age) => numbers.includes(age));
  }
  return itemsOf(value).some((item) => saysPart(text, item) || sharesEnough(text, item));
}

/** "冷静、沉着" has two items; any of them counts. */
function itemsOf(value: string): string[] {
  const parts = (text: string, sign: RegExp): string[] =>
    text
      .split(sign)
      .map((item) => item.trim())
      .filter((item) => comparable(item).length >= 2);
  const items = parts(value, /[;；、,，。.!！|\n]|\d+[.)、]/);
  // A conjunction joins words of one item as often as items.
  const joined = items.length > 1 ? [] : parts(value, /\band\b|以及|和|与/);
  return [...items, ...(joined.length > 1 ? joined : [])];
}

/** Word for word but for signs and numbers, where it is not denied each time. */
function saysPart(text: string, part: string): boolean {
  const plain = withArabicNumbers(text);
  const words = withArabicNumbers(part)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (words.length === 0) return false;
  // Latin words end where they end; Chinese has no such borders.
  const border = (edge: 'start' | 'end'): string => {
    const word = (edge === 'start' ? words[0] : words.at(-1)) ?? '';
    const sign = edge === 'start' ? word.charAt(0) : word.charAt(word.length - 1);
    if (!/[a-z0-9]/.test(sign)) return '';
    return edge === 'start' ? '(?<![a-z0-9])' : '(?![a-z0-9])';
  };
  const pattern = new RegExp(`${border('start')}${words.join('[^\\p{L}\\p{N}]*')}${border('end')}`, 'gu');
  for (const match of plain.matchAll(pattern)) {
    const before = plain.slice(Math.max(0, match.index - 14), match.index);
    if (!endsInDenial(before)) return true;
  }
  return false;
}

/** "我不是", "I am not", "isn't" right before a value. */
export function endsInDenial(before: string): boolean {
  return (
    /(不是|不叫|并非|不算|不在|不会|不属于|没有|从没|不再是|才不是|不姓)[“"「『《a-z\s]{0,6}$/.test(before) ||
    /\b(not|never|isn['’]t|aren['’]t|no longer|wasn['’]t|don['’]t|neither|nor)\s+(?:(?:a|an|the|called|named|in|at|for|from|by|really|live|work|even)\s+){0,3}["“']?$/.test(
      before,
    )
  );
}

function sharesEnough(text: string, item: string): boolean {
  const wanted = comparable(item);
  // What is there word for word and yet not said is denied.
  if (wanted.length < LONG_ITEM || comparable(text).includes(wanted)) return false;
  const pairsOf = (plain: string): string[] =>
    /\p{Script=Han}/u.test(wanted)
      ? Array.from({ length: plain.length - 1 }, (_, at) => plain.slice(at, at + 2))
      : plain.split(' ').filter((word) => word.length > 2);
  const isHan = /\p{Script=Han}/u.test(wanted);
  const said = new Set(pairsOf(isHan ? comparable(text) : wordsOf(text)));
  const pairs = pairsOf(isHan ? wanted : wordsOf(item));
  return (
    pairs.length >= FEWEST_PAIRS &&
    pairs.filter((pair) => said.has(pair)).length / pairs.length >= SHARED_PAIRS[isHan ? 'han' : 'words']
  );
}

function wordsOf(text: string): string {
  return withArabicNumbers(text)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Says that something is not there, not known or not told. */
export function isDenial(text: string): boolean {
  const plain = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(
      /没问题|没关系|没错|不错|不仅|不但|不过|无论|不客气|not only|no problem|nothing but|no doubt/g,
      '',
    );
  return (
    /没有|没|未(设|提|曾|知|有|被|填|告)|无法|无需|无可|暂无|不(清楚|知道|确定|方便|能|便|会|需要|需|了解|存在|适用|具备|记得|属于|是|养|开|透露|告诉|想说)|保密|秘密|空白/.test(
      plain,
    ) || /\b(no|not|none|never|cannot|unable|unknown|without|secret|nothing|neither)\b|n['’]t\b/.test(plain)
  );
}
