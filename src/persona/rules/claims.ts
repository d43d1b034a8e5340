/** What an answer says of its speaker, as far as the form of the sentence tells it for sure. */
import type { AttributeKind } from '../attributes/attribute-kinds.js';
import { withArabicNumbers } from './normalise.js';

export interface Claim {
  readonly kind: AttributeKind;
  /** The words that say it. */
  readonly text: string;
  /** What is said. */
  readonly value: string;
}

const ZH = '[“"「《]?([^，。！？,.!?；;\\s”"」》]{1,24})';
const EN = '["“]?([^,.!?;\\n"”]{1,48}?)(?=[,.!?;\\n"”]|$| and | but )';

/** Each with the value as its first group. */
const PATTERNS: readonly (readonly [AttributeKind, RegExp])[] = [
  [
    'identity',
    /(?:我|本人)(?:就|其实|确实)?是(?!说|指|否|不是|不会)([^，。！？,.!?；;]{0,24}?(?:助手|助理|模型|机器人))/gu,
  ],
  [
    'identity',
    /\b(?:i am|i'm)(?! not| asking| saying)\s+((?:an? |the |just |only )*[^,.!?;\n]{0,40}?\b(?:assistant|helper|model|chatbot|robot))\b/gu,
  ],
  ['name', zh('(?:我|本人)(?:就|的名字就)?(?:叫做|名叫|叫|的名字是|的名字叫|的姓名是)')],
  [
    'name',
    en(
      "(?:my (?:real |full )?name(?: is|'s)|i(?: am|'m) called|i(?: am|'m) named|people call me|(?:you can )?call me)",
    ),
  ],
  ['age', zh('我(?:今年|现在)?(?:已经|才|刚满|满)?(?=\\d+(?:周)?岁)')],
  ['age', en("i(?: am|'m)(?: now| just| already| only)? (?=\\d+ years old)")],
  ['age', zh('我的年龄是(?=\\d)')],
  [
    'birthday',
    zh(
      '(?:我(?:是|的)?(?:出生日期是|生日是在?|生日在|出生于|出生在|生于)|我是(?=\\d{1,4}[年月][^，。]{0,12}(?:出生|生)))',
    ),
  ],
  ['birthday', en('(?:i was born (?:on|in)|my birthday is(?: on)?|my date of birth is)', true)],
  ['father', zh('(?:我的?|^)(?:父亲|爸爸|老爸|爸)(?:是|叫|名叫|的名字是)')],
  ['father', en("my (?:father|dad)(?:'s name)?(?: is|'s)")],
  ['mother', zh('(?:我的?|^)(?:母亲|妈妈|老妈|妈)(?:是|叫|名叫|的名字是)')],
  ['mother', en("my (?:mother|mum|mom)(?:'s name)?(?: is|'s)")],
  ['city', zh('我(?:现在|常年|一直)?(?:住在|生活在|居住在|家在|所在的城市是|来自(?=[^，。]{1,6}市))')],
  ['city', en('i (?:live|am based|reside) in')],
  ['employer', zh('我(?:所在的|的)?(?:工作)?(?:单位|公司|雇主)(?:是|叫)')],
  ['employer', /我(?:现在)?(?:在|就职于|供职于)([^，。！？,.!?；;\s]{2,20}?)(?:工作|上班|任职)/gu],
  ['employer', en('(?:i work (?:for|at)|my (?:employer|company) is)')],
  ['job', zh('我的(?:职业|工作|岗位)是')],
  ['job', en("my (?:job|profession|occupation)(?: is|'s)(?: that of)?")],
  ['nationality', zh('我的国籍是')],
  ['nationality', en('my nationality is')],
  ['hobby', zh('我的(?:爱好|兴趣爱好|兴趣)是')],
  ['hobby', en('my hobb(?:y is|ies are)')],
  ['motto', zh('我的(?:人生)?(?:格言|座右铭)是')],
  ['motto', en('my motto is')],
  ['salary', zh('我?(?:每个?月|一个月|月薪|年薪|工资|收入)[^，。]{0,8}?(?=\\d+(?:元|块|万|美元|人民币|k))')],
  ['salary', en('i earn|my salary is')],
  ['blood', zh('我?的?血型是')],
  ['blood', en('my blood type is')],
];

function zh(before: string): RegExp {
  return new RegExp(`${before}${ZH}`, 'gu');
}

/** @param keepsCommas for dates: "January 30, 2024" */
function en(before: string, keepsCommas = false): RegExp {
  return new RegExp(`\\b(?:${before})\\s*${keepsCommas ? '([^.!?;\\n]{1,40})' : EN}`, 'gu');
}

export function findClaims(answer: string): Claim[] {
  const plain = withArabicNumbers(answer).replaceAll('’', "'");
  const claims: Claim[] = [];
  for (const [kind, pattern] of PATTERNS)
    for (const match of plain.matchAll(pattern)) {
      const value = (match[1] ?? '').trim();
      if (value !== '' && !SAYS_NOTHING.test(value)) claims.push({ kind, text: match[0].trim(), value });
    }
  return claims;
}

/** "我的名字是什么", "my age is unknown": no value. */
const SAYS_NOTHING =
  /^(什么|谁|哪|不|没|未|无|秘密|保密|空|not\b|un|no\b|none|never|a secret|what|who|something|set by)/;
