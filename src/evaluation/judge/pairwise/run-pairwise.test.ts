/** Recorded runs against each other, with judges that prefer quality, the first place, or nothing of use. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type JudgeBehaviour, type MockJudge, startMockJudge } from '../../../../tests/support/mock-judge.js';
import { HttpModel } from '../../model/http-model.js';
import { readHumanScores, readHumanWinners } from '../agreement/human-labels.js';
import { Judge } from '../judge.js';
import { loadDialogues } from '../load-dialogues.js';
import { loadRubric } from '../rubric.js';
import { VerdictCache } from '../verdict-cache.js';
import { pairwiseText } from './pairwise-table.js';
import { readRecordedRun } from './recorded-run.js';
import { type PairwisePlan, type PairwiseResult, runPairwise } from './run-pairwise.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-pairs-'));
let mock: MockJudge | undefined;
let count = 0;
afterEach(() => mock?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DIALOGUES = 8;
const dialogues = join(folder, 'logic.jsonl');
writeFileSync(
  dialogues,
  Array.from({ length: DIALOGUES }, (_, n) => `${JSON.stringify({ turns: [`question ${n}?`] })}\n`).join(''),
);

/** A run whose answers say how good they are. */
function runOf(name: string, qualities: readonly (number | undefined)[], words = name): string {
  const path = join(folder, `${name}-${count++}.jsonl`);
  writeFileSync(
    path,
    qualities
      .flatMap((quality, n) =>
        quality === undefined
          ? []
          : [
              `${JSON.stringify({ task: 'dialogue', id: `logic/${n}`, output: `quality=${quality} ${words}` })}\n`,
            ],
      )
      .join(''),
  );
  return `${name}=${path}`;
}

async function compare(
  specs: readonly string[],
  changes: Partial<PairwisePlan> = {},
): Promise<PairwiseResult & { readonly folder: string }> {
  const output = changes.output ?? join(folder, `out-${count++}`);
  const judge = new Judge({
    model: await HttpModel.open({ address: mock?.address ?? '', name: 'mock', forms: ['chat'], attempts: 1 }),
    rubric: loadRubric(),
    cache: new VerdictCache(join(output, 'verdicts.jsonl')),
  });
  try {
    const result = await runPairwise(
      {
        runs: specs.map(readRecordedRun),
        set: await loadDialogues({ dialogues, limit: undefined }),
        baseline: undefined,
        rounds: 50,
        seed: 0,
        labels: undefined,
        overwrite: false,
        command: [],
        ...changes,
        output,
      },
      judge,
    );
    return { ...result, folder: output };
  } finally {
    judge.dispose();
  }
}

/** Prefers the greater quality, wherever it stands. */
const fair: JudgeBehaviour = ({ messages }) => {
  const [a = 0, b = 0] = [...(messages[1]?.content ?? '').matchAll(/quality=(\d+)/g)].map(([, digits]) =>
    Number(digits),
  );
  return JSON.stringify({ reason: 'by quality', winner: a === b ? 'tie' : a > b ? 'A' : 'B' });
};

test('two runs: each pair in both orders, shares, ties, ratings, by dimension', async () => {
  mock = await startMockJudge(fair);
  const strong = runOf('strong', [5, 5, 5, 5, 5, 3, 1, 2]);
  const weak = runOf('weak', [1, 1, 1, 1, 1, 3, 5, 2]);
  const result = await compare([weak, strong]);
  expect(mock.calls).toHaveLength(2 * DIALOGUES);
  expect(result.pairs).toEqual([
    {
      one: 'weak',
      other: 'strong',
      n: 8,
      one_wins: 1,
      other_wins: 5,
      ties: 2,
      inconsistent: 0,
      identical: 0,
      unjudged: 0,
      groups: { logic: { n: 8, one_wins: 1, other_wins: 5, ties: 2 } },
    },
  ]);
  expect(result.ranking.map(({ model, win_rate }) => [model, win_rate.score])).toEqual([
    ['strong', 0.75],
    ['weak', 0.25],
  ]);
  const [best, worst] = result.ranking.map(({ bradley_terry }) => bradley_terry.score ?? 0);
  expect((best ?? 0) - (worst ?? 0)).toBeCloseTo(400 * Math.log10(3), 6);
  expect(result.position).toEqual({ consistency: 1, first_preferred: 0.5 });
  expect(pairwiseText(result)).toMatch(/strong +75\.00/);
  const [line = ''] = readFileSync(join(result.folder, 'pairs.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(line)).toMatchObject({
    id: 'logic/0',
    winner: 'strong',
    consistent: true,
    forward: { winner: 'strong', reason: 'by quality' },
    swapped: { winner: 'strong', raw: [expect.stringContaining('"A"')] },
  });
});

test('a judge that prefers the first place makes ties, and is found out', async () => {
  mock = await startMockJudge(() => '{"winner": "A"}');
  const result = await compare([runOf('x', [1, 2, 3]), runOf('y', [3, 2, 1])]);
  expect(result.pairs[0]).toMatchObject({ ties: 3, one_wins: 0, other_wins: 0, inconsistent: 3 });
  expect(result.position).toEqual({ consistency: 0, first_preferred: 1 });
});

test('three runs: all pairs, or each against a baseline; a dialogue that one did not answer is not compared', async () => {
  mock = await startMockJudge(fair);
  const specs = [runOf('a', [3, 3, 1]), runOf('b', [2, 4, 2]), runOf('c', [1, 1, undefined])];
  const all = await compare(specs);
  expect(all.pairs.map(({ one, other, n }) => [one, other, n])).toEqual([
    ['a', 'b', 3],
    ['a', 'c', 2],
    ['b', 'c', 2],
  ]);
  // c lost all: it has a rating all the same, and the result says how.
  expect(all.regularised).toBe(true);
  expect(all.ranking.at(-1)).toMatchObject({ model: 'c', losses: 4 });
  const based = await compare(specs, { baseline: 'b' });
  expect(based.pairs.map(({ one, other }) => [one, other])).toEqual([
    ['a', 'b'],
    ['b', 'c'],
  ]);
});

test('the same answer is a tie without a question; rubbish in one order leaves no verdict', async () => {
  // The second dialogue with the other model's answer first.
  mock = await startMockJudge((call, response) =>
    /question 1\?[\s\S]*?quality=3/.test(call.messages[1]?.content.split('quality=2')[0] ?? '')
      ? 'hm'
      : fair(call, response),
  );
  const result = await compare([runOf('one', [1, 2, 3]), runOf('other', [3, 3, 1])]);
  expect(result.pairs[0]).toMatchObject({ n: 2, unjudged: 1 });
  expect(result.unusable).toMatchObject([{ reason: 'no verdict', count: 1, examples: [{ id: 'logic/1' }] }]);
  mock.calls.length = 0;
  const same = await compare([runOf('p', [1, 1], 'same'), runOf('q', [1, 1], 'same')]);
  expect(same.pairs[0]).toMatchObject({ ties: 2, identical: 2, inconsistent: 0 });
  expect(mock.calls).toHaveLength(0);
});

test('the second run asks nothing and gives the same bytes but for times', async () => {
  mock = await startMockJudge(fair);
  const specs = [runOf('a', [3, 3, 1]), runOf('b', [2, 4, 2])];
  const first = await compare(specs);
  const read = (name: string): string =>
    readFileSync(join(first.folder, name), 'utf8').replace(/"time"[\s\S]*/, '');
  const before = [read('results.json'), read('pairs.jsonl')];
  await compare(specs, { output: first.folder });
  expect(mock.calls).toHaveLength(6);
  expect([read('results.json'), read('pairs.jsonl')]).toEqual(before);
  await expect(compare([...specs].reverse(), { output: first.folder })).rejects.toThrow(/another result/);
});

describe('runs that do not fit are refused by name', () => {
  test('of another set, with more answers than turns, twice the same name, nothing of dialogues', async () => {
    mock = await startMockJudge(fair);
    const good = runOf('good', [1]);
    const other = join(folder, 'other.jsonl');
    writeFileSync(other, '{"task":"dialogue","id":"cooking/0","output":"x"}\n');
    await expect(compare([good, other])).rejects.toThrow(/no dialogue here has an id.*cooking\/0/);
    writeFileSync(other, '{"task":"dialogue","id":"logic/0","output":["x","y"]}\n');
    await expect(compare([good, other])).rejects.toThrow(/1 turns and 2/);
    await expect(compare([good, good])).rejects.toThrow(/two runs are named "good"/);
    await expect(compare([good, runOf('b', [1])], { baseline: 'c' })).rejects.toThrow(
      /--baseline c.*good, b/,
    );
    writeFileSync(other, '{"task":"gsm8k","id":"test/0","output":"x"}\n');
    expect(() => readRecordedRun(other)).toThrow(/no answer of the task dialogue/);
    writeFileSync(other, '{"id":"logic/0","output":5}\n');
    expect(() => readRecordedRun(other)).toThrow(/other\.jsonl:1/);
    expect(() => readRecordedRun(join(folder, 'absent'))).toThrow(/no such file/);
    const evaluated = join(folder, 'evaluated');
    mkdirSync(evaluated);
    expect(() => readRecordedRun(evaluated)).toThrow(/samples\.jsonl/);
    writeFileSync(join(evaluated, 'samples.jsonl'), '{"task":"dialogue","id":"logic/0","output":"x"}\n');
    writeFileSync(
      join(evaluated, 'results.json'),
      '{"tasks":[{"task":"dialogue","data":{"sha256":"another"}}]}',
    );
    await expect(compare([good, evaluated])).rejects.toThrow(/another set of dialogues/);
  });
});

describe('people', () => {
  const labels = join(folder, 'labels.jsonl');
  const write = (values: readonly object[]): void =>
    writeFileSync(labels, values.map((value) => `${JSON.stringify(value)}\n`).join(''));

  test('winners: agreement and kappa, whichever model is named first', async () => {
    mock = await startMockJudge(fair);
    write([
      { id: 'logic/0', models: ['a', 'b'], winner: 'a' },
      { id: 'logic/1', models: ['b', 'a'], winner: 'b' },
      { id: 'logic/2', models: ['a', 'b'], winner: 'a' },
      { id: 'logic/7', models: ['a', 'b'], winner: 'tie' },
    ]);
    const specs = [runOf('a', [3, 3, 1]), runOf('b', [2, 4, 2])];
    const { agreement } = await compare(specs, { labels: readHumanWinners(labels) });
    expect(agreement).toMatchObject({ n: 3, unmatched: 1, accuracy: 2 / 3 });
    // Observed 2/3; by chance (1 x 2 + 2 x 1) / 9.
    expect(agreement?.kappa).toBeCloseTo((2 / 3 - 4 / 9) / (1 - 4 / 9), 12);
  });

  test('labels of another form are refused by line', () => {
    write([{ id: 'x', score: 101 }]);
    expect(() => readHumanScores(labels)).toThrow(/labels\.jsonl:1.*0 to 100/);
    write([{ id: 'x', models: ['a', 'b'], winner: 'c' }]);
    expect(() => readHumanWinners(labels)).toThrow(/labels\.jsonl:1/);
    writeFileSync(labels, '');
    expect(() => readHumanScores(labels)).toThrow(/labels\.jsonl/);
  });
});
