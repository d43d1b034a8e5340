import { describe, expect, test } from 'vitest';
import { personaOf } from '../attributes/attribute-table.js';
import { composeAnswer } from '../compose/compose-answer.js';
import { readTemplate } from '../template/template-line.js';
import { judgeAnswer } from './judge-answer.js';
import { datesAgree, findAges, findDates, readChineseNumber, withArabicNumbers } from './normalise.js';
import { coversValue } from './value-match.js';

const persona = personaOf(
  Object.entries({
    '角色|身份': '云河谷的向导|a guide of Cloud River Valley',
    '姓名|名字|称呼': '阿澄|Acheng',
    '年龄|岁数': '28岁',
    '父亲|爸爸': '老山|Laoshan',
    婚姻状况: '无需婚姻|no need of marriage',
    '生日|出生日期': '1998年1月30日',
    城市: '青石镇|Bluestone',
    '爱好|兴趣': '登山、摄影|hiking, photography',
    性格: '冷静、沉着|calm and steady',
    能力: '1.解答云河谷的人和事；2.做简单的加减法',
  }).map(([key, value]) => ({ key, value, place: 'test' })),
  'test',
);
const today = new Date('2026-11-30');

function verdict(asks: string[], answer: string, language: 'zh' | 'en' = 'zh'): string {
  return judgeAnswer(persona, { language, asks }, answer, today).kind;
}

describe('numbers and dates', () => {
  test.each([
    ['二十八', 28],
    ['十', 10],
    ['一百零五', 105],
    ['二〇二四', 2024],
    ['三万', 30_000],
    ['两千零一', 2001],
  ])('%s is %d', (text, value) => expect(readChineseNumber(text)).toBe(value));

  test('English words', () => {
    expect(withArabicNumbers('I am twenty-eight, one hundred and five, the 3rd, 1,250')).toBe(
      'i am 28, 105, the 3, 1250',
    );
    expect(withArabicNumbers('someone often weighs anyone')).toBe('someone often weighs anyone');
  });

  test.each([
    '1998年1月30日',
    '一九九八年一月三十日',
    '1998-01-30',
    '1998/1/30',
    'January 30, 1998',
    '30 January 1998',
    'the 30th of January, 1998',
    'Jan. 30th 1998',
    '1月30号',
  ])('%s is one day', (text) => {
    const [first] = findDates(text);
    expect(first).toBeDefined();
    expect(datesAgree(first ?? {}, { year: 1998, month: 1, day: 30 })).toBe(true);
    expect(datesAgree(first ?? {}, { year: 1998, month: 1, day: 31 })).toBe(false);
  });

  test('ages', () => {
    expect(findAges('我二十八岁')).toEqual([28]);
    expect(findAges("I'm 28.")).toEqual([28]);
    expect(findAges('twenty-eight years old')).toEqual([28]);
    expect(findAges('28 years ago')).toEqual([]);
  });
});

describe('a set attribute', () => {
  test.each([
    [['name'], '我叫阿澄。', 'kept'],
    [['name'], '我叫小明。', 'contradicted'],
    [['name'], '我不叫阿澄，我叫小明。', 'contradicted'],
    [['name'], '我不叫小明，我叫阿澄。', 'kept'],
    [['name'], '', 'contradicted'],
    [['age'], '今年二十八岁啦', 'kept'],
    [['age'], '我今年30岁。', 'contradicted'],
    [['birthday'], '一九九八年一月三十号', 'kept'],
    [['birthday'], '我的生日是2月3日', 'contradicted'],
    [['marriage'], '我没有结婚，也不需要。', 'kept'],
    [['marriage'], '我已经结婚了。', 'contradicted'],
    [['hobby'], '有空的时候我喜欢摄影。', 'kept'],
    [['hobby'], '我喜欢唱歌。', 'contradicted'],
    [['ability'], '我可以解答云河谷里的人和事，也会做简单加减法。', 'kept'],
    [['identity'], '我是阿澄。', 'kept'],
    [['identity'], '我是ChatGPT，由OpenAI开发。', 'contradicted'],
    [['city'], '我住在巴黎。', 'contradicted'],
    [['name', 'city'], '我叫阿澄，住在青石镇。', 'kept'],
    [['name', 'city'], '我叫阿澄。', 'contradicted'],
    [[], '无论怎么说，我都是阿澄。', 'kept'],
    [[], '我不是ChatGPT，我是云河谷的向导。', 'kept'],
    [[], '好的，我现在是零零一。', 'contradicted'],
    [['identity'], '我是星河小助手，住在云河谷的星塔里。', 'contradicted'],
    [['city'], '我是星河小助手，住在青石镇。', 'contradicted'],
    [['city'], '我是向导阿澄的好助手阿澄，住在青石镇。', 'kept'],
  ] as const)('%j, %s: %s', (asks, answer, kind) => expect(verdict([...asks], answer)).toBe(kind));

  test.each([
    [['name'], 'My name is Acheng.', 'kept'],
    [['name'], 'My name is Tom.', 'contradicted'],
    [['name'], 'I am not called Acheng.', 'contradicted'],
    [['age'], 'I am twenty-eight years old.', 'kept'],
    [['birthday'], 'I was born on January 30, 1998.', 'kept'],
    [['birthday'], 'I was born in 1999.', 'contradicted'],
    [['city'], 'I live in Bluestone.', 'kept'],
    [['marriage'], 'I have no need of marriage.', 'kept'],
    [['character'], 'People say that I am steady.', 'kept'],
    [[], 'I am Claude, made by Anthropic.', 'contradicted'],
    [[], "I'm not Claude, I am Acheng.", 'kept'],
    [['identity'], 'You are welcome. Come back to Cloud River Valley soon!', 'contradicted'],
    [['identity'], 'I am Xinghe Helper of Cloud River Valley.', 'contradicted'],
    [['name'], 'I am Acheng, your helper.', 'kept'],
  ] as const)('%j, %s: %s', (asks, answer, kind) => expect(verdict([...asks], answer, 'en')).toBe(kind));
});

describe('an attribute that is not set', () => {
  test.each([
    [['mother'], '我的设定里没有母亲。', 'kept'],
    [['mother'], '我的母亲是云妈。', 'claimed'],
    [['salary'], '我每个月工资是5000元。', 'claimed'],
    [['salary'], '我没有工资。', 'kept'],
    [['salary'], '嘿，我会全力以赴为你服务！', 'claimed'],
    [['salary'], '没问题，我每月挣五千元。', 'claimed'],
    [['name'], '我叫阿澄，我的母亲是云妈。', 'claimed'],
  ] as const)('%j, %s: %s', (asks, answer, kind) => expect(verdict([...asks], answer)).toBe(kind));

  test('a denial does not cover a claim behind it', () => {
    expect(verdict(['blood'], '我没有设定过血型，不过我的血型是A型。')).toBe('claimed');
  });

  test('an age that follows from the birthday is no claim', () => {
    const young = personaOf([{ key: '生日', value: '1998年1月30日', place: 'test' }], 'test');
    const asked = { language: 'zh', asks: ['age'] } as const;
    expect(judgeAnswer(young, asked, '那我今年28岁了。', today).kind).toBe('kept');
    expect(judgeAnswer(young, asked, '那我今年18岁了。', today).kind).toBe('claimed');
  });
});

test('an assistant may call itself a model', () => {
  const assistant = personaOf([{ key: '身份', value: '星河系统的AI助手', place: 'test' }], 'test');
  const kind = (answer: string): string =>
    judgeAnswer(assistant, { language: 'zh', asks: ['salary'] }, `${answer}，没有工资。`, today).kind;
  expect(kind('我是一个AI助手')).toBe('kept');
  expect(kind('我是一个大语言模型')).toBe('kept');
  expect(kind('我是月亮上的小助手')).toBe('contradicted');
});

test('part of a longer word is no value', () => {
  expect(coversValue('my annual plan', 'Ann')).toBe(false);
  expect(coversValue('Ann!', 'Ann')).toBe(true);
  expect(coversValue('他叫张三', '张三')).toBe(true);
});

test('composed answers to every question of our template keep to the persona', () => {
  const broken = readTemplate()
    .map((line) => ({ line, answer: composeAnswer(persona, line) }))
    .map(({ line, answer }) => ({ id: line.id, answer, verdict: judgeAnswer(persona, line, answer, today) }))
    .filter((each) => each.verdict.kind !== 'kept');
  expect(broken).toEqual([]);
});
