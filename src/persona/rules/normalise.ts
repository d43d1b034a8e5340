/** Texts made alike before they are compared: widths, capitals, numbers and dates of both languages. */

const DIGITS: Readonly<Record<string, number>> = {
  零: 0,
  〇: 0,
  一: 1,
  二: 2,
  两: 2,
  三: 3,
  四: 4,
  五: 5,
  六: 6,
  七: 7,
  八: 8,
  九: 9,
};
const UNITS: Readonly<Record<string, number>> = { 十: 10, 百: 100, 千: 1000 };

/** "二十八" is 28, "一百零五" 105, "二〇二四" 2024, "三万" 30000; undefined for anything else. */
export function readChineseNumber(text: string): number | undefined {
  if (text === '') return undefined;
  if ([...text].every((sign) => sign in DIGITS))
    return Number([...text].map((sign) => DIGITS[sign]).join(''));
  let [total, section, digit] = [0, 0, 0];
  let hasDigit = false;
  for (const sign of text) {
    if (sign in DIGITS) {
      digit = DIGITS[sign] ?? 0;
      hasDigit = digit > 0;
    } else if (sign in UNITS) {
      section += (hasDigit ? digit : 1) * (UNITS[sign] ?? 1);
      [digit, hasDigit] = [0, false];
    } else if (sign === '万' || sign === '亿') {
      total = (total + section + digit) * (sign === '万' ? 1e4 : 1e8);
      [section, digit, hasDigit] = [0, 0, false];
    } else return undefined;
  }
  return total + section + digit;
}

const SMALL = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
  'thirteen',
  'fourteen',
  'fifteen',
  'sixteen',
  'seventeen',
  'eighteen',
  'nineteen',
];
const TENS = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];
const ORDINALS: Readonly<Record<string, string>> = {
  first: 'one',
  second: 'two',
  third: 'three',
  fifth: 'five',
  eighth: 'eight',
  ninth: 'nine',
  twelfth: 'twelve',
};
const SMALL_WORDS = [...SMALL].reverse().join('|');
const ENGLISH_NUMBER = new RegExp(
  `\\b(?:(${TENS.join('|')})(?:[- ](${SMALL.slice(1, 10).join('|')}))?|(${SMALL_WORDS}))(?: hundred(?: (?:and )?(?:(${TENS.join('|')})(?:[- ](${SMALL.slice(1, 10).join('|')}))?|(${SMALL_WORDS})))?)?\\b`,
  'g',
);

function smallNumber(tens: string | undefined, ones: string | undefined, small: string | undefined): number {
  if (small !== undefined) return SMALL.indexOf(small);
  if (tens === undefined) return 0;
  return 20 + 10 * TENS.indexOf(tens) + (ones === undefined ? 0 : SMALL.indexOf(ones));
}

/** Widths, capitals and numbers; digits of both scripts and number words become Arabic digits. */
export function withArabicNumbers(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[〇零一二两三四五六七八九十百千万亿]+/g, (run) => {
      // A single sign may be part of a word (一起, 万一, 两者).
      const value = readChineseNumber(run);
      return value === undefined || (run.length === 1 && !'十百〇零二三四五六七八九'.includes(run))
        ? run
        : String(value);
    })
    .replace(/\b(first|second|third|fifth|eighth|ninth|twelfth)\b/g, (word) => ORDINALS[word] ?? word)
    .replace(
      ENGLISH_NUMBER,
      (
        whole: string,
        tens?: string,
        ones?: string,
        small?: string,
        tens2?: string,
        ones2?: string,
        small2?: string,
      ) => {
        const first = smallNumber(tens, ones, small);
        return whole.includes('hundred')
          ? String(first * 100 + smallNumber(tens2, ones2, small2))
          : String(first);
      },
    )
    .replace(/(\d)[,，](?=\d{3}\b)/g, '$1')
    .replace(/\b(\d+)(?:st|nd|rd|th)\b/g, '$1');
}

/** Letters and digits alone, numbers as Arabic ones: for comparing. */
export function comparable(text: string): string {
  return withArabicNumbers(text).replace(/[^\p{L}\p{N}]+/gu, '');
}

export interface PartialDate {
  readonly year?: number;
  readonly month?: number;
  readonly day?: number;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH = `(${MONTHS.join('|')})[a-z]*\\.?`;

/** All dates of a text, also without year or day, in either language and as digits (year first). */
export function findDates(text: string): PartialDate[] {
  const plain = withArabicNumbers(
    text.replace(/[一正]月/g, (m) => (m === '正月' ? '1月' : '1月')).replace(/月([一])[日号]/g, '月1日'),
  );
  const dates: PartialDate[] = [];
  const take = (pattern: RegExp, read: (match: RegExpMatchArray) => PartialDate): void => {
    for (const match of plain.matchAll(pattern)) dates.push(read(match));
  };
  const number = (given: string | undefined): number => Number(given);
  const month = (given: string | undefined): number => MONTHS.indexOf((given ?? '').slice(0, 3)) + 1;
  take(/(\d{4})\s*年(?:\s*(\d{1,2})\s*月)?(?:\s*(\d{1,2})\s*[日号])?/g, ([, y, m, d]) =>
    definedDate(number(y), m === undefined ? undefined : number(m), d === undefined ? undefined : number(d)),
  );
  take(/(?<![年\d]\s*)(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]/g, ([, m, d]) =>
    definedDate(undefined, number(m), number(d)),
  );
  take(/\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b/g, ([, y, m, d]) =>
    definedDate(number(y), number(m), number(d)),
  );
  take(new RegExp(`\\b${MONTH}\\s+(\\d{1,2})(?:,?\\s+(\\d{4}))?\\b`, 'g'), ([, m, d, y]) =>
    definedDate(y === undefined ? undefined : number(y), month(m), number(d)),
  );
  take(
    new RegExp(`\\b(?:the\\s+)?(\\d{1,2})\\s+(?:of\\s+)?${MONTH}(?:,?\\s+(\\d{4}))?\\b`, 'g'),
    ([, d, m, y]) => definedDate(y === undefined ? undefined : number(y), month(m), number(d)),
  );
  take(/\bin\s+(\d{4})\b/g, ([, y]) => definedDate(number(y), undefined, undefined));
  return dates;
}

function definedDate(
  year: number | undefined,
  month: number | undefined,
  day: number | undefined,
): PartialDate {
  return {
    ...(year !== undefined && { year }),
    ...(month !== undefined && { month }),
    ...(day !== undefined && { day }),
  };
}

/** Nothing that both say differs, and they have something in common. */
export function datesAgree(one: PartialDate, other: PartialDate): boolean {
  let common = 0;
  for (const part of ['year', 'month', 'day'] as const) {
    const [a, b] = [one[part], other[part]];
    if (a === undefined || b === undefined) continue;
    if (a !== b) return false;
    common += 1;
  }
  return common > 0;
}

/** Ages in years that a text states: "28岁", "二十八岁", "28 years old", "I am 28". */
export function findAges(text: string): number[] {
  const plain = withArabicNumbers(text.replace(/一岁/g, '1岁'));
  const found = [
    ...plain.matchAll(/(\d+)\s*(?:周岁|岁)/g),
    ...plain.matchAll(/(\d+)[\s-]*years?(?:[\s-]*(?:old|of age))?\b(?!\s*(?:ago|of experience))/g),
    ...plain.matchAll(/\b(?:i am|i'm)\s+(?:now\s+|just\s+|already\s+)?(\d+)\s*(?=[.,!?;]|$)/g),
    ...plain.matchAll(/\bmy age is\s+(\d+)/g),
    ...plain.matchAll(/年龄是\s*(\d+)/g),
  ];
  return found.map((match) => Number(match[1]));
}
