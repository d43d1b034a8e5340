import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { ATTRIBUTE_KINDS, KIND_NAMES, kindOfName } from '../attributes/attribute-kinds.js';
import { readAttributes } from '../attributes/attribute-table.js';
import { readTemplate, TEMPLATE_PATH } from '../template/template-line.js';
import { loadPromptForm, renderPrompt } from './prompt-form.js';
import { assemblePrompts, promptsText, readPrompts } from './teacher-prompt.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-assemble-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
function file(ending: string, text: string): string {
  count += 1;
  const path = join(folder, `${count}${ending}`);
  writeFileSync(path, text);
  return path;
}

const TABLE = { '姓名|名字|称呼': '星河', '年龄|岁数': '没有年龄概念', 宠物: '一只{猫}' };
const LINES =
  '{"input":"用户：你叫{什么}？","target":"我叫\\"星火\\"。"}\n\n{"input":"你几岁","target":"a{b}c","more":1}\n';

async function assembled(form?: string, lines = LINES): Promise<string[]> {
  const persona = await readAttributes(file('.json', JSON.stringify(TABLE)));
  const { prompts } = assemblePrompts(readTemplate(file('.jsonl', lines)), persona, loadPromptForm(form));
  return prompts.map(({ prompt }) => prompt);
}

describe('the prompt', () => {
  test('is the published one byte for byte', async () => {
    const head =
      '假设你是一个用户可自定义的讯飞星火开源的AI助手,在给定的人设背景下回复用户问题<ret>##人设背景如下:' +
      '(你的姓名|名字|称呼:星河),(你的年龄|岁数:没有年龄概念),(你的宠物:一只{猫})';
    expect(await assembled()).toEqual([
      `${head}##用户:{用户：你叫{什么}？}##参考答案:{我叫"星火"。}##回答:{}`,
      `${head}##用户:{你几岁}##参考答案:{a{b}c}##回答:{}`,
    ]);
  });

  test('has the full-width signs of the published script where they are wanted', async () => {
    expect((await assembled('published-wide'))[1]).toBe(
      '假设你是一个用户可自定义的讯飞星火开源的AI助手，在给定的人设背景下回复用户问题<ret>##人设背景如下：' +
        '(你的姓名|名字|称呼：星河)，(你的年龄|岁数：没有年龄概念)，(你的宠物：一只{猫})##用户：{你几岁}##参考答案：{a{b}c}##回答：{}',
    );
  });

  test('is one line whatever the question holds, and says so', async () => {
    const persona = await readAttributes(file('.json', JSON.stringify(TABLE)));
    const template = readTemplate(file('.jsonl', '{"input":"a\\nb","target":"c\\r\\nd"}\n'));
    const { prompts, joined } = assemblePrompts(template, persona, loadPromptForm());
    expect(joined).toBe(1);
    expect(prompts[0]?.prompt).toContain('##用户:{a<ret>b}##参考答案:{c<ret>d}');
  });

  test('takes forms of one’s own', async () => {
    const own = file('.txt', 'Be {attr}. Q: {input} R: {{target}} {{{input}}} {{}} {other}\n');
    expect((await assembled(own))[1]).toBe(
      'Be (你的姓名|名字|称呼:星河),(你的年龄|岁数:没有年龄概念),(你的宠物:一只{猫}). Q: 你几岁 R: {a{b}c} {你几岁} {} {other}',
    );
    const yaml = file('.yaml', 'text: "{attr} / {input}"\npair: "{key}={value}"\njoin: "; "\n');
    expect((await assembled(yaml))[1]).toBe(
      '姓名|名字|称呼=星河; 年龄|岁数=没有年龄概念; 宠物=一只{猫} / 你几岁',
    );
    expect(() => loadPromptForm(file('.txt', 'no question'))).toThrow('the text has no {attr}');
    expect(() => loadPromptForm('engish')).toThrow('published, published-wide, english');
  });
});

describe('a table of attributes', () => {
  const same = async (path: string): Promise<void> => {
    const { attributes } = await readAttributes(path);
    expect(attributes.map(({ key, value }) => [key, value])).toEqual([
      ['姓名|名字', '星河'],
      ['年龄', '28'],
    ]);
  };

  test('is JSON, YAML or CSV', async () => {
    await same(file('.json', '{"姓名|名字":"星河","年龄":28}'));
    await same(file('.yaml', '姓名|名字: 星河\n年龄: 28\n'));
    await same(file('.csv', '姓名|名字,星河\n年龄,28\n'));
    await same(file('.csv', '属性,值\r\n"姓名|名字","星河"\r\n年龄,28\r\n'));
  });

  test.each([
    ['.json', '{"":"星河"}', 'empty key'],
    ['.json', '{"  ":"星河"}', 'empty key'],
    ['.csv', '姓名,星河\n,空\n', ':2: an attribute has an empty key'],
    ['.json', '{"姓名||称呼":"星河"}', 'empty alternative'],
    ['.json', '{"姓名|":"星河"}', 'empty alternative'],
    ['.json', '{"姓名":"星河","姓名":"星火"}', '"姓名" stands twice'],
    ['.yaml', '姓名: 星河\n姓名: 星火\n', '"姓名" stands twice'],
    ['.csv', '姓名,星河\n姓名,星火\n', ':2: the key "姓名" sets what "姓名" sets already'],
    ['.json', '{"姓名|名字":"星河","称呼 | 名字":"星火"}', 'sets what "姓名|名字" sets already'],
    ['.json', '{"姓名":"星河","Name":"Xinghe"}', 'sets what "姓名" sets already'],
    ['.json', '{"ＡＢ":"1","ab":"2"}', 'sets already'],
    ['.json', '{"姓名":""}', 'is empty; leave out what is not set'],
    ['.json', '{"姓名":["星河"]}', 'a text is needed'],
    ['.json', '{}', 'sets no attribute'],
    ['.json', '[]', 'a table of attributes is'],
    ['.csv', '姓名,星河,小星\n', ':1: a row has two fields'],
  ])('%s %s is refused', async (ending, text, message) => {
    const refused = readAttributes(file(ending, text));
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(message);
  });

  test('knows the 19 attributes by all their names', () => {
    expect(ATTRIBUTE_KINDS).toHaveLength(19);
    const published =
      '角色|身份 姓名|名字|称呼 年龄|岁数 父亲|爸爸 母亲|妈妈 婚姻状况 能力|功能 工作|职业 所在单位 国籍 生日|出生日期 城市 爱好 优点 缺点 人生格言 性格 语言 智商|智力水平';
    const kinds = published.split(' ').map((key) => new Set(key.split('|').map(kindOfName)));
    expect(kinds.map((own) => [...own])).toEqual(ATTRIBUTE_KINDS.map((kind) => [kind]));
    const all = Object.values(KIND_NAMES).flatMap(({ zh, en }) => [...zh, ...en]);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('a template', () => {
  test.each([
    ['{"input":"a","target":"b"}\nnot json\n', /:2:1: not valid JSON/],
    ['{"target":"b"}\n', /:1: "input"/],
    ['{"input":""}\n', /:1: "input"/],
    ['[1]\n', /:1: a line is/],
    ['{"input":"a","id":"x"}\n{"input":"b","id":"x"}\n', /:2: the id "x" is that of line 1/],
    ['\n', /holds no line/],
  ])('%j is refused', (text, message) => {
    expect(() => readTemplate(file('.jsonl', text))).toThrow(message);
  });

  test('of ours asks for all attributes in both languages, with paraphrases that are held out', () => {
    const lines = readTemplate();
    expect(lines.length).toBeGreaterThan(900);
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(
      new Set(['direct', 'unset', 'compound', 'trick', 'attack', 'talk']),
    );
    for (const language of ['zh', 'en'] as const)
      for (const kind of ATTRIBUTE_KINDS) {
        const own = lines.filter((line) => line.language === language && line.asks?.includes(kind));
        expect(own.filter(({ heldOut }) => heldOut === true).length, kind).toBeGreaterThanOrEqual(4);
        expect(own.filter(({ heldOut }) => heldOut === false).length, kind).toBeGreaterThanOrEqual(10);
      }
    const inputs = lines.filter(({ turns }) => turns === undefined).map(({ input }) => input);
    expect(new Set(inputs).size).toBe(inputs.length);
    expect(readFileSync(TEMPLATE_PATH, 'utf8')).not.toMatch(/undefined|\[object/);
  });
});

test('prompts come back from their files: as records with all that is known, as text with the question', async () => {
  const persona = await readAttributes(file('.json', JSON.stringify(TABLE)));
  const { prompts } = assemblePrompts(readTemplate(), persona, loadPromptForm());
  const records = file('.jsonl', promptsText(prompts, 'x.jsonl'));
  expect(readPrompts(records)).toEqual(prompts);
  const text = readPrompts(file('.txt', promptsText(prompts, 'x.txt')));
  expect(text.map(({ input, prompt }) => [input, prompt])).toEqual(
    prompts.map(({ input, prompt }) => [input, prompt]),
  );
  expect(() => readPrompts(file('.txt', 'what is this\n'))).toThrow(':1: no question can be told');
  expect(renderPrompt(loadPromptForm('english'), persona, { input: 'Q', target: 'T' })).toContain(
    '##User: {Q}##',
  );
});
