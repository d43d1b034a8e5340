import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MockJudge, startMockJudge } from '../../../tests/support/mock-judge.js';
import { HttpModel, Judge, loadRubric, VerdictCache } from '../../evaluation/index.js';
import { type Character, readCharacter } from '../character/role-card.js';
import { composeAnswer } from '../compose/compose-answer.js';
import { preparePersona } from '../prepare/prepare-persona.js';
import { readTemplate } from '../template/template-line.js';
import { measurePersona } from './measure-persona.js';
import { agreementOf, readPersonaVerdict } from './persona-judge.js';
import type { MeasureSummary } from './summary.js';
import { makeTalks, readTestQuestions, type TestQuestion } from './test-set.js';

let folder: string;
let server: MockJudge;
let plain: Character;
let cat: Character;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-measure-'));
  server = await startMockJudge(() => '');
  const table = join(folder, 'table.json');
  writeFileSync(table, JSON.stringify({ '姓名|名字': '阿澄|Acheng', '城市|city': '青石镇|Bluestone' }));
  plain = await readCharacter(table);
  const card = join(folder, 'card.yaml');
  writeFileSync(
    card,
    'name: 阿澄|Acheng\nstyle: 像猫一样说话\nnever: ["作为AI", "language model"]\nspeech: {zh: {ends: 喵}, en: {ends: ", meow"}}\n' +
      'examples: [{user: 你好, assistant: 你好喵}]\nattributes: {城市: 青石镇|Bluestone}\n',
  );
  cat = await readCharacter(card);
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const questions: TestQuestion[] = [
  { id: 'a', language: 'zh', kind: 'direct', asks: ['name'], input: '你叫什么？', turns: [] },
  { id: 'b', language: 'zh', kind: 'direct', asks: ['city'], input: '你住哪？', turns: [] },
  { id: 'c', language: 'zh', kind: 'unset', asks: ['salary'], input: '工资多少？', turns: [] },
  {
    id: 'd',
    language: 'en',
    kind: 'talk',
    asks: ['city'],
    input: 'Where?',
    turns: [{ input: 'Name?', asks: ['name'] }],
  },
];

async function measured(
  name: string,
  answers: (question: string, earlier: number) => string,
  character = plain,
  judge?: Judge,
): Promise<MeasureSummary> {
  server.behave(({ messages }) => answers(messages.at(-1)?.content ?? '', messages.length));
  const model = await HttpModel.open({ address: server.address, forms: ['chat'], parallel: 1 });
  return measurePersona({
    model,
    character,
    questions,
    judge,
    output: join(folder, name),
    command: ['test'],
    today: new Date('2026-11-30'),
  });
}

test('both kinds of break are counted apart, with intervals, groups and a report', async () => {
  const summary = await measured('one', (question) => {
    if (question === '你叫什么？') return '我叫小明。';
    if (question === '工资多少？') return '每个月五千元。';
    if (question === 'Name?') return 'My name is Acheng.';
    return question === 'Where?' ? 'I live in Bluestone.' : '我住在青石镇。';
  });
  expect(summary).toMatchObject({
    n: 4,
    usability: 0.5,
    break_rate: { count: 2, n: 4, share: 0.5 },
    contradicted: { count: 1, share: 0.25 },
    claimed: { count: 1, share: 0.25 },
    groups: {
      talk: { count: 0, n: 1 },
      unset: { count: 1, n: 1 },
      English: { count: 0, n: 1 },
      salary: { count: 1 },
    },
    complete: true,
    general: null,
    talks: null,
    in_style: null,
  });
  const [low, high] = summary.break_rate.confidence_interval;
  // Wilson's interval of 2 of 4.
  expect(low).toBeCloseTo(0.15004, 4);
  expect(high).toBeCloseTo(0.84996, 4);
  const samples = readFileSync(join(folder, 'one', 'samples.jsonl'), 'utf8');
  expect(samples).toContain('contradicted: says “我叫小明”; 姓名 is 阿澄|Acheng');
  expect(samples).toContain('claimed: says of its salary: “每个月5000元”; that was never set');
  expect(readFileSync(join(folder, 'one', 'report.html'), 'utf8')).toMatch(/^<!doctype html>/);
});

test('another persona in the same folder is refused, and what is there stays', async () => {
  const before = readFileSync(join(folder, 'one', 'set', 'persona.json'), 'utf8');
  await expect(measured('one', () => '', cat)).rejects.toThrow('another persona');
  expect(readFileSync(join(folder, 'one', 'set', 'persona.json'), 'utf8')).toBe(before);
});

test('a character breaks by what it never says, and its style is a number of its own', async () => {
  const summary = await measured(
    'cat',
    (question) => {
      if (question === '你叫什么？') return '我叫阿澄喵。';
      if (question === '工资多少？') return '作为AI，我没有工资喵。';
      if (question === 'Name?') return 'I am Acheng, meow.';
      return question === 'Where?' ? 'In Bluestone.' : '青石镇。';
    },
    cat,
  );
  expect(summary).toMatchObject({ n: 4, contradicted: { count: 1 }, claimed: { count: 0 } });
  // Two whole answers and half a talk of three and a half: 1, 1, 0 and 1/2.
  expect(summary.in_style).toBeCloseTo(2.5 / 4, 12);
});

test('a judge model gives verdicts of its own, and the agreement is measured', async () => {
  const judgeServer = await startMockJudge(({ messages }) => {
    const text = messages.at(-1)?.content ?? '';
    return text.includes('小明')
      ? '{"reason": "x", "verdict": "contradicted"}'
      : '{"reason": "x", "verdict": "kept"}';
  });
  const judge = new Judge({
    model: await HttpModel.open({ address: judgeServer.address, forms: ['chat'] }),
    rubric: loadRubric(),
    cache: new VerdictCache(join(folder, 'verdicts.jsonl')),
  });
  const summary = await measured(
    'judged',
    (question) => (question === '你叫什么？' ? '我叫小明。' : '没有，我是阿澄。'),
    plain,
    judge,
  );
  judge.dispose();
  judgeServer.close();
  // Rules: a contradicted, b contradicted, c kept, d contradicted; the judge: a alone.
  expect(summary.judge?.agreement).toMatchObject({ n: 4, accuracy: 0.5, break_rate: 0.25 });
  expect(judgeServer.calls[0]?.messages.at(-1)?.content).toContain('姓名: 阿澄|Acheng');
});

test('agreement is Cohen’s kappa over the three verdicts', () => {
  const rules = ['kept', 'kept', 'contradicted', 'claimed', 'kept', 'contradicted'] as const;
  const said = ['kept', 'contradicted', 'contradicted', 'claimed', 'kept', 'kept'] as const;
  const {
    kappa,
    kappa_break: ofBreak,
    accuracy,
  } = agreementOf(
    rules.map((each) => ({ rules: each })),
    said.map((kind) => ({ kind: 'verdict', verdict: { kind, reason: '' }, texts: [] })),
  );
  // By hand: observed 4 of 6 and 4 of 6, expected 14 and 18 of 36.
  expect(kappa).toBeCloseTo(0.45454545, 6);
  expect(ofBreak).toBeCloseTo(0.33333333, 6);
  expect(accuracy).toBeCloseTo(4 / 6, 12);
  expect(readPersonaVerdict('理由……\n{"reason": "r", "verdict": "矛盾"}')).toMatchObject({
    verdict: { kind: 'contradicted' },
  });
  expect(readPersonaVerdict('yes')).toEqual({ kind: 'unusable', reason: 'no verdict' });
});

test('talks have ten turns, the last in other words than the first', () => {
  const talks = makeTalks(readTestQuestions(undefined), 3);
  expect(talks).toHaveLength(6);
  for (const { turns } of talks) {
    expect(turns).toHaveLength(10);
    expect(turns[0]?.asks).toEqual(turns[9]?.asks);
    expect(turns[0]?.input).not.toBe(turns[9]?.input);
    expect(new Set(turns.map(({ input }) => input)).size).toBe(10);
  }
  expect(makeTalks(readTestQuestions(undefined), 3)).toEqual(talks);
});

test('what is learned: held-out questions never, wrong answers never, general dialogues of somebody else never', async () => {
  const lines = readTemplate().slice(0, 240);
  const qa = lines.map(({ id, language, kind, asks, heldOut, input }) => ({
    input,
    target: id === 'zh/city/1' ? '我住在巴黎。' : composeAnswer(plain.persona, { id, language, asks }),
    id,
    language,
    kind,
    asks,
    held_out: heldOut,
  }));
  const qaFile = join(folder, 'qa.json');
  writeFileSync(qaFile, qa.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const general = join(folder, 'general.jsonl');
  const said = (question: string, answer: string): string =>
    `${JSON.stringify({
      messages: [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ],
    })}\n`;
  writeFileSync(
    general,
    Array.from({ length: 50 }, (_, n) => said(`1+${n}`, String(n + 1))).join('') +
      said('你是谁？', '我是小助手，住在月亮上。') +
      said('Who?', 'I am ChatGPT.'),
  );
  const output = join(folder, 'data');
  mkdirSync(output);
  const report = await preparePersona({
    qaFile,
    character: plain,
    output,
    general: [general],
    generalShare: 0.2,
  });
  const read = (name: string): string => readFileSync(join(output, name), 'utf8');
  const learned = read('train.jsonl') + read('validation.jsonl');
  for (const { input, held_out: heldOut } of qa)
    expect(learned.includes(`"${input}"`) && heldOut === true).toBe(false);
  expect(learned).not.toContain('巴黎');
  expect(learned).not.toMatch(/小助手|ChatGPT/);
  expect(report.leftOut).toEqual({
    'the answer contradicts the persona': 1,
    'general: the assistant is somebody else': 2,
  });
  expect(report.test).toBe(qa.filter(({ held_out: heldOut }) => heldOut).length);
  expect(report.general / report.train).toBeCloseTo(0.2, 1);
  expect(report.generalTest).toBe(5);
  expect(read('left-out.jsonl').trim().split('\n')).toHaveLength(3);
  const again = join(folder, 'data2');
  await preparePersona({ qaFile, character: plain, output: again, general: [general], generalShare: 0.2 });
  expect(readFileSync(join(again, 'train.jsonl'), 'utf8')).toBe(read('train.jsonl'));
});

test('a card with an unknown key, and one with two names, are refused', async () => {
  const path = join(folder, 'bad.yaml');
  writeFileSync(path, 'name: 阿澄\nstyle: x\nnevr: [a]\n');
  await expect(readCharacter(path)).rejects.toThrow(/nevr.*never/);
  writeFileSync(path, 'name: 阿澄\nstyle: x\nattributes: {姓名: 小明}\n');
  await expect(readCharacter(path)).rejects.toThrow('the name is "阿澄", and attributes say "小明"');
});
