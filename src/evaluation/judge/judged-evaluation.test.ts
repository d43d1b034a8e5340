/** Whole evaluations of dialogues: a judge that behaves, and one that does not. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { FakeModel } from '../../../tests/support/evaluation-sets.js';
import { sendJson } from '../../../tests/support/mock-address.js';
import { type JudgeBehaviour, type MockJudge, startMockJudge } from '../../../tests/support/mock-judge.js';
import { InterruptedError } from '../../errors/index.js';
import { HttpModel } from '../model/http-model.js';
import type { LanguageModel } from '../model/language-model.js';
import { planTasks } from '../run/plan-tasks.js';
import { readPredictions } from '../run/predictions.js';
import { type EvaluationResult, runEvaluation } from '../run/run-evaluation.js';
import { dialogueOf } from '../tasks/dialogue/dialogue.js';
import { dimensionsText } from './dimension-table.js';
import { Judge } from './judge.js';
import { loadRubric } from './rubric.js';
import { VerdictCache } from './verdict-cache.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-judge-'));
let mock: MockJudge | undefined;
let count = 0;
afterEach(() => mock?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dialogues = join(folder, 'mine.jsonl');
writeFileSync(
  dialogues,
  [
    { dimension: 'mathematics', turns: ['2+2?', 'And times 3?'], reference: '4, 12' },
    { dimension: 'mathematics', turns: ['3+3?'] },
    { dimension: 'chit-chat', language: 'zh', turns: ['你好'] },
    { dimension: 'chit-chat', turns: ['hello'], system: 'You are a pirate.' },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join(''),
);

const outputs = [
  { task: 'dialogue', id: 'mine/0', output: ['4', '12'] },
  { task: 'dialogue', id: 'mine/1', output: '6' },
  { task: 'dialogue', id: 'mine/2', output: '你好呀' },
  { task: 'dialogue', id: 'mine/3', output: 'ahoy' },
];

interface Wishes {
  readonly output?: string;
  readonly cache?: string;
  readonly lines?: readonly object[];
  readonly model?: LanguageModel;
  readonly timeoutSeconds?: number;
  readonly attempts?: number;
}

async function judged(wishes: Wishes = {}): Promise<EvaluationResult & { readonly folder: string }> {
  const output = wishes.output ?? join(folder, `out-${count++}`);
  const task = dialogueOf(dialogues);
  const { tasks } = planTasks({
    task: 'dialogue',
    preset: undefined,
    data: undefined,
    shots: undefined,
    isCot: false,
    mode: undefined,
    form: undefined,
    forms: wishes.model?.forms,
  });
  const text = (wishes.lines ?? outputs).map((line) => `${JSON.stringify(line)}\n`).join('');
  const recorded = join(folder, `predictions-${text.length}.jsonl`);
  writeFileSync(recorded, text);
  const judge =
    mock === undefined
      ? undefined
      : new Judge({
          model: await HttpModel.open({
            address: mock.address,
            name: 'mock-judge',
            forms: ['chat'],
            attempts: wishes.attempts ?? 2,
            timeoutSeconds: wishes.timeoutSeconds ?? 20,
            bearsRefusals: true,
          }),
          rubric: loadRubric(),
          cache: new VerdictCache(wishes.cache ?? join(output, 'verdicts.jsonl')),
        });
  const plan = {
    tasks: tasks.map((each) => ({ ...each, task })),
    data: undefined,
    output,
    overwrite: false,
    command: ['xinghe', 'evaluate'],
  };
  try {
    const answerer =
      wishes.model === undefined
        ? { kind: 'predictions' as const, predictions: readPredictions(recorded, [task]) }
        : { kind: 'model' as const, model: wishes.model };
    const tools = { runProgram: () => Promise.reject(new Error('no program here')) };
    return { ...(await runEvaluation(plan, answerer, tools, judge)), folder: output };
  } finally {
    judge?.dispose();
  }
}

interface SampleLine {
  readonly id: string;
  readonly output: unknown;
  readonly points: number | null;
  readonly max_points: number;
  readonly verdict: {
    readonly score: number | null;
    readonly unusable?: string;
    readonly failed?: string;
    readonly raw?: readonly string[];
    readonly reason?: string;
  } | null;
}

function samplesOf({ folder: output }: { readonly folder: string }): SampleLine[] {
  return readFileSync(join(output, 'samples.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): SampleLine => JSON.parse(line));
}

/** Bytes of the results apart from times. */
function timeless(output: string): string {
  const result: object = JSON.parse(readFileSync(join(output, 'results.json'), 'utf8'));
  return JSON.stringify({ ...result, time: 0 }) + readFileSync(join(output, 'samples.jsonl'), 'utf8');
}

const SCORES: readonly (readonly [string, number])[] = [
  ['2+2?', 90],
  ['3+3?', 70],
  ['你好', 40],
  ['hello', 60],
];

const good: JudgeBehaviour = ({ messages }) => {
  const text = messages.map(({ content }) => content).join('\n');
  const score = SCORES.find(([turn]) => text.includes(turn))?.[1];
  return JSON.stringify({ reason: 'as it is', score });
};

/** Good but for the second dialogue. */
const badFor =
  (bad: JudgeBehaviour): JudgeBehaviour =>
  (call, response) =>
    call.messages.some(({ content }) => content.includes('3+3?'))
      ? bad(call, response)
      : good(call, response);

describe('recorded outputs', () => {
  test('scores by dimension, language and turns, with verdict, reason and raw text of each', async () => {
    mock = await startMockJudge(good);
    const result = await judged();
    const [entry] = result.results;
    expect(entry).toMatchObject({
      task: 'dialogue',
      metric: 'judge',
      score: 0.65,
      n: 4,
      missing: 0,
      unjudged: 0,
    });
    expect(entry?.groups).toMatchObject({
      mathematics: { score: 0.8, n: 2 },
      'chit-chat': { score: 0.5, n: 2 },
      Chinese: { score: 0.4, n: 1 },
      'multi-turn': { score: 0.9, n: 1 },
    });
    expect(entry?.groups.mathematics?.confidence_interval).toHaveLength(2);
    // One value tells nothing of how values vary.
    expect(entry?.groups.Chinese).toEqual({ score: 0.4, n: 1 });
    expect(Object.keys(entry?.groups ?? {}).slice(0, 2)).toEqual(['mathematics', 'chit-chat']);
    expect(entry?.averages).toEqual({ samples: 0.65, dimensions: 0.65 });
    expect(samplesOf(result)[0]).toMatchObject({
      id: 'mine/0',
      output: ['4', '12'],
      points: 90,
      max_points: 100,
      verdict: { score: 90, reason: 'as it is', raw: ['{"reason":"as it is","score":90}'] },
    });
    expect(result.tasks[0]?.judge).toMatchObject({ verdicts: 4, unusable: [], failed: [] });
    expect(mock.calls[0]?.body).toMatchObject({ model: 'mock-judge', temperature: 0, seed: 0 });
    expect(dimensionsText(result)).toMatch(
      /mathematics +80\.00 +60\.40 to 99\.60 +2\n[\s\S]*over 4 dialogues, 0 without a verdict; mean of the dimensions 65\.00/,
    );
  });

  test('the second run asks nothing and gives the same bytes, also from another folder by one cache', async () => {
    mock = await startMockJudge(good);
    const cache = join(folder, 'shared-cache.jsonl');
    const first = await judged({ cache });
    expect(mock.calls).toHaveLength(4);
    const before = timeless(first.folder);
    await judged({ output: first.folder, cache });
    const other = await judged({ cache });
    expect(mock.calls).toHaveLength(4);
    expect(timeless(first.folder)).toBe(before);
    expect(readFileSync(join(other.folder, 'samples.jsonl'), 'utf8')).toBe(
      readFileSync(join(first.folder, 'samples.jsonl'), 'utf8'),
    );
    // Another answer is another question.
    await judged({ cache, lines: [...outputs.slice(0, 3), { ...outputs[3], output: 'arr' }] });
    expect(mock.calls).toHaveLength(5);
  });

  test('a dialogue without an answer counts as nothing; its judge is not asked', async () => {
    mock = await startMockJudge(good);
    const result = await judged({ lines: outputs.slice(0, 3) });
    expect(result.results[0]).toMatchObject({ score: 0.5, n: 4, missing: 1, unjudged: 0 });
    expect(mock.calls).toHaveLength(3);
  });

  test('more answers than turns are refused by name', async () => {
    mock = await startMockJudge(good);
    await expect(judged({ lines: [...outputs, { ...outputs[1], output: '7' }] })).rejects.toThrow(
      /mine\/1 has 1 turns and 2 recorded answers/,
    );
    // A run that is refused leaves nothing behind.
    const output = join(folder, 'refused');
    await expect(judged({ output, lines: [{ ...outputs[0], id: 'x/0' }] })).rejects.toThrow(/another set/);
    expect(existsSync(join(output, 'verdicts.jsonl'))).toBe(false);
  });

  test('what a run wrote is taken as recorded outputs', async () => {
    mock = await startMockJudge(good);
    const first = await judged();
    const lines = samplesOf(first).map((line): object => ({ task: 'dialogue', ...line }));
    expect((await judged({ lines })).results[0]?.score).toBe(0.65);
  });
});

describe('a judge that does not behave is counted by kind, and the others are judged', () => {
  test.each<[string, JudgeBehaviour, string]>([
    ['rubbish', () => 'lorem ipsum', 'no verdict'],
    ['a refusal', () => "I'm sorry, I cannot judge this.", 'refusal'],
    ['nothing', () => '', 'empty answer'],
    ['a score out of range', () => '{"score": 1000}', 'score out of range'],
    ['two scores', () => '{"score": 10} {"score": 100}', 'verdicts that differ'],
  ])('%s', async (_, bad, reason) => {
    mock = await startMockJudge(badFor(bad));
    const result = await judged();
    expect(result.complete).toBe(true);
    expect(result.results[0]).toMatchObject({ n: 3, unjudged: 1, score: (0.9 + 0.4 + 0.6) / 3 });
    expect(result.tasks[0]?.judge).toMatchObject({
      verdicts: 3,
      unusable: [{ reason, count: 1, examples: [{ id: 'mine/1' }] }],
    });
    // Three attempts, each kept.
    expect(samplesOf(result)[1]).toMatchObject({ target: null, verdict: { score: null, unusable: reason } });
    expect(samplesOf(result)[1]).not.toHaveProperty('points');
    expect(samplesOf(result)[1]?.verdict?.raw).toHaveLength(3);
    expect(mock.calls).toHaveLength(3 + 3);
    // The second run asks neither the good nor the bad again.
    await judged({ output: result.folder });
    expect(mock.calls).toHaveLength(6);
  });

  test.each<[string, JudgeBehaviour, string]>([
    [
      'an error',
      (_, response) => void sendJson(response, { error: { message: 'broken' } }, 500),
      'status 500',
    ],
    ['a rate limit', (_, response) => void sendJson(response, {}, 429, { 'retry-after': '0' }), 'rate limit'],
    ['a page', (_, response) => void response.end('<html>busy</html>'), 'no JSON'],
    ['a closed connection', (_, response) => void response.destroy(), 'no connection'],
    ['silence', () => undefined, 'timed out'],
    [
      'a ban of one text',
      (_, response) => void sendJson(response, { error: { message: 'no' } }, 400),
      'status 400',
    ],
  ])('%s: the same command asks again', async (_, bad, reason) => {
    mock = await startMockJudge(badFor(bad));
    const result = await judged({ timeoutSeconds: 1 });
    expect(result.complete).toBe(false);
    expect(result.results[0]).toMatchObject({ n: 3, unjudged: 1 });
    expect(result.tasks[0]?.judge).toMatchObject({ verdicts: 3, failed: [{ reason, count: 1 }] });
    expect(samplesOf(result)[1]?.verdict).toMatchObject({ score: null, failed: reason });
    const asked = mock.calls.length;
    mock.behave(good);
    const again = await judged({ output: result.folder });
    expect(mock.calls).toHaveLength(asked + 1);
    expect(again.results[0]).toMatchObject({ n: 4, unjudged: 0, score: 0.65 });
    expect(again.complete).toBe(true);
  });

  test('a judge that is told what was wrong may do better', async () => {
    mock = await startMockJudge(
      badFor(({ messages }) => (messages.length > 2 ? '{"score": 70}' : 'seventy points, I would say')),
    );
    const result = await judged();
    expect(result.results[0]?.score).toBe(0.65);
    const second = mock.calls.find(({ messages }) => messages.length > 2);
    expect(second?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(second?.messages[2]?.content).toBe('seventy points, I would say');
    expect(samplesOf(result)[1]?.verdict?.raw).toHaveLength(2);
  });

  test('429 is waited for as long as the address says', async () => {
    let calls = 0;
    mock = await startMockJudge((call, response) => {
      calls += 1;
      if (calls > 1) return good(call, response);
      sendJson(response, {}, 429, { 'retry-after': '1' });
      return undefined;
    });
    const started = Date.now();
    expect((await judged()).results[0]?.n).toBe(4);
    expect(Date.now() - started).toBeGreaterThan(900);
  });

  test('nothing of use at all: no score, and the run ends well', async () => {
    mock = await startMockJudge(() => 'no');
    const { results, tasks, complete } = await judged();
    expect(results[0]).toMatchObject({ score: null, unjudged: 4, confidence_interval: null });
    expect(tasks[0]?.judge).toMatchObject({ verdicts: 0, unusable: [{ count: 4 }] });
    expect(complete).toBe(true);
  });
});

describe('a model', () => {
  /** Answers each turn by its own words, in the order in which they come. */
  const echo = (): FakeModel =>
    new FakeModel((question, index, hooks) => {
      const turns =
        question.kind === 'text' ? [question.prompt.question, ...(question.laterTurns ?? [])] : [];
      const said = turns.map((turn) => `re: ${turn}`);
      hooks.onAnswer(index, {
        prompt: 'p',
        ids: null,
        droppedShots: 0,
        output: said.at(-1) ?? '',
        outputs: said,
      });
    });

  test('its own answers are the history, and all turns are judged', async () => {
    mock = await startMockJudge(good);
    const model = echo();
    const result = await judged({ model });
    expect(samplesOf(result)[0]?.output).toEqual(['re: 2+2?', 're: And times 3?']);
    expect(model.asked[0]).toMatchObject({ form: 'chat', laterTurns: ['And times 3?'] });
    const question = mock.calls.find(({ messages }) => messages[1]?.content.includes('2+2?'));
    expect(question?.messages[1]?.content).toMatch(
      /2\+2\?[\s\S]*re: 2\+2\?[\s\S]*And times 3\?[\s\S]*re: And/,
    );
  });

  test('without a judge the answers are recorded, and there is no score', async () => {
    mock = undefined;
    const { results, tasks, complete } = await judged({ model: echo() });
    expect(results[0]).toMatchObject({ score: null });
    expect(tasks[0]?.notes.join()).toMatch(/--judge/);
    expect(complete).toBe(true);
  });

  test('stopped while it is judged: the same command goes on with the same answers and verdicts', async () => {
    let calls = 0;
    mock = await startMockJudge((call, response) => {
      calls += 1;
      if (calls === 3) process.emit('SIGINT');
      return good(call, response);
    });
    const output = join(folder, 'stopped');
    // One at a time would be tidier; eight workers may ask all four.
    const stopped = judged({ model: echo(), output });
    await stopped.catch((error: unknown) => {
      expect(error).toBeInstanceOf(InterruptedError);
      expect(String(error)).toMatch(/verdicts\.jsonl keeps the verdicts so far/);
    });
    const before = mock.calls.length;
    const model = echo();
    const whole = await judged({ model, output });
    expect(whole.results[0]).toMatchObject({ score: 0.65, n: 4 });
    expect(mock.calls.length).toBeLessThanOrEqual(4 + before);
  });
});
