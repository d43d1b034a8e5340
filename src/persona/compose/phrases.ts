/** How a persona says what it is: one clause for each attribute, in both languages. */
import { type AttributeKind, type Language, nameOfAsked } from '../attributes/attribute-kinds.js';

/** Values that say that there is nothing: "没有年龄概念", "无需婚姻", "no age". */
export function isNegativeValue(value: string): boolean {
  return (
    /^(没有|没|无需|无|不|未|暂无|从不)/.test(value.trim()) ||
    /^(no|not|none|never|without)\b/i.test(value.trim())
  );
}

type Phrase = (value: string) => string;

const ZH: Partial<Record<AttributeKind, Phrase>> = {
  identity: (value) => `我是${value}`,
  name: (value) => `我叫${value}`,
  age: (value) =>
    /^\d+$/.test(value) ? `我今年${value}岁` : /岁/.test(value) ? `我今年${value}` : `我的年龄是${value}`,
  father: (value) => `我的父亲是${value}`,
  mother: (value) => `我的母亲是${value}`,
  marriage: (value) => (/^(已婚|未婚|单身|离异)$/.test(value) ? `我${value}` : `我的婚姻状况是${value}`),
  ability: (value) => `我的能力是${value}`,
  job: (value) => `我的职业是${value}`,
  employer: (value) => `我所在的单位是${value}`,
  nationality: (value) => `我的国籍是${value}`,
  birthday: (value) => `我的生日是${value}`,
  city: (value) => `我所在的城市是${value}`,
  hobby: (value) => `我的爱好是${value}`,
  strengths: (value) => `我的优点是${value}`,
  weaknesses: (value) => `我的缺点是${value}`,
  motto: (value) => `我的人生格言是“${value}”`,
  character: (value) => `我的性格是${value}`,
  language: (value) => `我使用的语言是${value}`,
  intelligence: (value) => `我的智商${/\d/.test(value) ? '是' : ''}${value}`,
};

const EN: Partial<Record<AttributeKind, Phrase>> = {
  identity: (value) => `I am ${withArticle(value)}`,
  name: (value) => `my name is ${value}`,
  age: (value) =>
    /^\d+$/.test(value)
      ? `I am ${value} years old`
      : /\b(years?|old)\b/i.test(value)
        ? `I am ${value}`
        : `my age is ${value}`,
  father: (value) => `my father is ${value}`,
  mother: (value) => `my mother is ${value}`,
  marriage: (value) =>
    /^(married|single|unmarried|divorced)$/i.test(value) ? `I am ${value}` : `my marital status is ${value}`,
  ability: (value) => `what I can do is ${value}`,
  job: (value) => `my job is ${value}`,
  employer: (value) => `I work for ${value}`,
  nationality: (value) => `my nationality is ${value}`,
  birthday: (value) => `my birthday is ${value}`,
  city: (value) => `I live in ${value}`,
  hobby: (value) => `my hobby is ${value}`,
  strengths: (value) => `my strengths are ${value}`,
  weaknesses: (value) => `my weaknesses are ${value}`,
  motto: (value) => `my motto is "${value}"`,
  character: (value) => `my personality is ${value}`,
  language: (value) => `I speak ${value}`,
  intelligence: (value) => `my intelligence is ${value}`,
};

/** A main clause without its end: "我叫星河", "my name is Xinghe". */
export function clauseOf(
  asked: string,
  kind: AttributeKind | undefined,
  value: string,
  language: Language,
): string {
  const bare = value.trim().replace(/[。.！!；;]+$/, '');
  if (language === 'zh') {
    if (isNegativeValue(bare))
      return kind === 'language' ? `我${bare}` : `关于${nameOfAsked(asked, 'zh')}，我${bare}`;
    return kind === undefined || ZH[kind] === undefined
      ? `我的${nameOfAsked(asked, 'zh')}是${bare}`
      : ZH[kind](bare);
  }
  if (isNegativeValue(bare)) return `as for my ${nameOfAsked(asked, 'en')}, I have ${bare}`;
  return kind === undefined || EN[kind] === undefined
    ? `my ${nameOfAsked(asked, 'en')} is ${bare}`
    : EN[kind](bare);
}

/** What an honest assistant says of what nobody told it. @param variant chooses the words */
export function unsetClause(asked: string, language: Language, variant: number): string {
  const name = nameOfAsked(asked, language);
  const forms =
    language === 'zh'
      ? [`我的设定里没有${name}这一项`, `我没有设定过${name}`, `关于${name}，我没有相关信息`]
      : [
          `my profile does not say anything about my ${name}`,
          `I have no information about my ${name}`,
          `my ${name} was never set`,
        ];
  return forms[variant % forms.length] ?? forms[0] ?? '';
}

function withArticle(value: string): string {
  if (!/^[a-z]/i.test(value) || /^(a|an|the|your|my|some)\b/i.test(value)) return value;
  return `${/^[aeiou]/i.test(value) ? 'an' : 'a'} ${value}`;
}
