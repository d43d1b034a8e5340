import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { readRecords } from '../../formats/index.js';
import type { Sample } from '../sample.js';
import { ContaminationCheck, checkContamination } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-contamination-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const text = (content: string, line = 1): Sample => ({
  kind: 'text',
  text: content,
  origin: { file: 'train', line },
});

const english =
  'A train leaves the station at noon and travels north at eighty kilometres an hour for three hours';
const chinese = '某工厂在生产过程中每天消耗的原料数量与产品数量之间存在着一种固定的比例关系试求之';

test('thirteen words or twenty characters are a hit, fewer are not', async () => {
  const set = file(
    'set.jsonl',
    `${JSON.stringify({ q: english })}\n${JSON.stringify({ q: chinese })}\n{"q":"short"}\n`,
  );
  const check = await ContaminationCheck.load([set]);
  const part = (count: number): string =>
    english
      .split(' ')
      .slice(2, 2 + count)
      .join(' ');
  expect(check.check(text(`so ${part(12)} however`))).toBe(false);
  expect(check.check(text(`so ${part(13)} however`, 2))).toBe(true);
  expect(check.check(text(part(14).toUpperCase().replaceAll(' ', ',\n'), 3))).toBe(true);
  expect(check.check(text(`甲${chinese.slice(3, 22)}乙`))).toBe(false);
  expect(check.check(text(`甲${chinese.slice(3, 23)}乙`, 4))).toBe(true);
  expect(check.report()).toEqual([
    {
      set: 'set.jsonl',
      path: set,
      items: 3,
      itemsTooShort: 1,
      itemsHit: 2,
      records: 3,
      hits: [
        { record: { file: 'train', line: 2 }, item: `${set}:1`, text: part(13), length: part(13).length },
        {
          record: { file: 'train', line: 3 },
          item: `${set}:1`,
          text: expect.stringContaining('STATION'),
          length: expect.any(Number),
        },
        { record: { file: 'train', line: 4 }, item: `${set}:2`, text: chinese.slice(3, 23), length: 20 },
      ],
    },
  ]);
});

test('the items of a folder: CSV rows, lists in a document, JSON Lines', async () => {
  const set = join(folder, 'mixed');
  mkdirSync(join(set, 'sub'), { recursive: true });
  file('mixed/a.csv', `,question,A\n0,"${english}",x\n1,other,y\n`);
  file(
    'mixed/sub/b.json',
    JSON.stringify({ about: 'x', examples: [{ input: 'none' }, { input: chinese }] }, null, 1),
  );
  file('mixed/README.md', 'not data');
  const check = await ContaminationCheck.load([set]);
  check.check(text(`${english}\n${chinese}`));
  const [report] = check.report();
  expect(report).toMatchObject({ set: 'mixed', items: 4, itemsTooShort: 2, itemsHit: 2, records: 1 });
  expect(report?.hits.map(({ item }) => item)).toEqual([
    join(set, 'a.csv:2'),
    join(set, 'sub/b.json:1 item 2'),
  ]);
});

test('what many items share is no hit, and hit records can be dropped', async () => {
  const items = Array.from({ length: 12 }, (_, index) =>
    JSON.stringify({ q: `${english} ${'abcdefghijkl'[index]}` }),
  );
  const set = file('shared.jsonl', `${items.join('\n')}\n${JSON.stringify({ q: chinese })}`);
  async function* samples(): AsyncGenerator<Sample> {
    yield text(english, 1);
    yield text(chinese, 2);
    yield text('clean', 3);
  }
  const kept = async (drop: boolean): Promise<number[]> => {
    const lines: number[] = [];
    const check = await ContaminationCheck.load([set]);
    for await (const { origin } of checkContamination(samples(), check, { drop })) lines.push(origin.line);
    return lines;
  };
  expect(await kept(true)).toEqual([1, 3]);
  expect(await kept(false)).toEqual([1, 2, 3]);
});

const sets = ['agieval', 'bbh', 'cmmlu', 'financeiq', 'gaokao', 'humaneval'].map((name) =>
  sharedData(`eval/${name}`),
);
test('every real evaluation set is read, and its own texts are found', {
  ...requiresShared(...sets),
  timeout: 60_000,
}, async () => {
  const paths = sets.map((path) => path ?? '');
  const check = await ContaminationCheck.load(paths);
  const before = Object.fromEntries(check.report().map(({ set, items }) => [set, items]));
  expect(before).toMatchObject({ humaneval: 164, bbh: 6511 });
  for (const [set, items] of Object.entries(before)) expect(items, set).toBeGreaterThan(100);
  let line = 0;
  for await (const { value } of readRecords(`${paths[5]}/HumanEval.jsonl.gz`)) {
    line += 1;
    if (typeof value === 'object' && value !== null && 'prompt' in value)
      check.check(text(String(value.prompt), line));
  }
  const humaneval = check.report().find(({ set }) => set === 'humaneval');
  expect(humaneval?.itemsHit).toBeGreaterThan(160);
  const sft = sharedData('sft/telechat_single_turn.jsonl');
  let others = 0;
  for await (const { value } of readRecords(sft ?? ''))
    if (
      typeof value === 'object' &&
      value !== null &&
      'output' in value &&
      check.check(text(String(value.output)))
    )
      others += 1;
  expect(others).toBeLessThan(20);
});
