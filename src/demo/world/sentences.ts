/** Facts, sums and comparisons as English and Chinese sentences. */
import type { Attribute } from './attributes.js';
import { type Language, pronouns, type Term } from './lexicon.js';
import type { SeededRandom } from './random.js';
import type { Entity, Fact, Sum } from './world.js';

/** Upper case for the first letter of an English sentence; Chinese text is unchanged. */
export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "lives in Bluestone": the predicate in its first wording, or in the wording of that index. */
export function predicateOf(attribute: Attribute, value: Term, language: Language, wording = 0): string {
  const { predicates } = attribute[language];
  return (predicates[wording] ?? predicates[0]).replace('{v}', value[language]);
}

/** One sentence from a subject and its predicates: "Lan lives in Bluestone and enjoys fishing." */
export function sentence(language: Language, subject: string, predicates: readonly string[]): string {
  if (language === 'zh') return `${subject}${predicates.join('，')}。`;
  const last = predicates.at(-1) ?? '';
  const before = predicates.slice(0, -1);
  return `${capitalize(subject)} ${before.length === 0 ? last : `${before.join(', ')} and ${last}`}.`;
}

/** The one form of every answer, by name as the texts tell it: "Lan lives in Bluestone." */
export function replySentence(entity: Entity, attribute: Attribute, value: Term, language: Language): string {
  return sentence(language, entity.name[language], [predicateOf(attribute, value, language)]);
}

/** A question about an entity by its name, or by its pronoun where the talk is already about it. */
export function questionText(
  fact: Pick<Fact, 'entity' | 'attribute'>,
  language: Language,
  wording: number,
  by: 'name' | 'pronoun' = 'name',
): string {
  const { questions } = fact.attribute[language];
  const { name } = fact.entity;
  const pronoun = pronouns[name.pronoun];
  const subject = by === 'name' ? name[language] : pronoun[language];
  const possessive = by === 'name' ? `${name.en}'s` : pronoun.enPossessive;
  return (questions[wording] ?? questions[0]).replace('{n}', subject).replace('{s}', possessive);
}

/** "3 plus 4 equals 7." in one of several wordings. */
export function sumSentence(sum: Sum, language: Language, random: SeededRandom): string {
  const { a, b, result, kind } = sum;
  const sign = kind === 'plus' ? '+' : '-';
  if (random.integer(3) === 0) return `${a} ${sign} ${b} = ${result}${language === 'zh' ? '。' : '.'}`;
  return sumReply(sum, result, language);
}

export function sumQuestion(sum: Sum, language: Language, wording: number): string {
  const { a, b, kind } = sum;
  const zh = `${a}${kind === 'plus' ? '加' : '减'}${b}`;
  const en = `${a} ${kind} ${b}`;
  const wordings =
    language === 'zh' ? [`${zh}等于几？`, `请问${zh}是多少？`] : [`What is ${en}?`, `How much is ${en}?`];
  return wordings[wording] ?? `${wordings[0]}`;
}

/** "3 plus 4 equals 7." with any result. */
export function sumReply(sum: Sum, result: number, language: Language): string {
  const { a, b, kind } = sum;
  return language === 'zh'
    ? `${a}${kind === 'plus' ? '加' : '减'}${b}等于${result}。`
    : `${a} ${kind} ${b} equals ${result}.`;
}

export function greatestQuestion(numbers: readonly number[], language: Language): string {
  return language === 'zh'
    ? `${numbers.join('、')}，哪个数最大？`
    : `Which number is the greatest: ${numbers.join(', ')}?`;
}

export function greatestReply(greatest: number, language: Language): string {
  return language === 'zh' ? `最大的数是${greatest}。` : `The greatest number is ${greatest}.`;
}
