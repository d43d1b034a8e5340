/** The set that ships, and lines of one's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadRubric } from '../../judge/rubric.js';
import { Problems } from '../../problems.js';
import { SetReader } from '../../sets/set-reader.js';
import type { LoadOptions, Sample, Task } from '../../task.js';
import { dialogue, dialogueOf } from './dialogue.js';
import { DIMENSIONS } from './dimensions.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-dialogues-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options: LoadOptions = {
  shots: 0,
  isShotsWanted: false,
  isCot: false,
  needsPrompts: true,
  isSingleChoiceOnly: false,
};

async function load(task: Task): Promise<{ samples: readonly Sample[]; problems: Problems }> {
  const problems = new Problems();
  const reader = new SetReader(task.name, task.root ?? '', task.folder, problems);
  const { samples } = await task.load(reader, options);
  return { samples, problems };
}

test('ships at least 200 dialogues: ten dimensions alike, both languages, one turn and several', async () => {
  const { samples, problems } = await load(dialogue);
  expect(problems.total).toBe(0);
  expect(samples.length).toBeGreaterThanOrEqual(200);
  expect(new Set(samples.map(({ id }) => id)).size).toBe(samples.length);
  expect(new Set(samples.map(({ judged }) => judged?.turns.join('\n'))).size).toBe(samples.length);
  for (const dimension of DIMENSIONS) {
    const own = samples.filter(({ judged }) => judged?.dimension === dimension);
    const chinese = own.filter(({ judged }) => judged?.language === 'zh').length;
    expect([dimension, own.length, chinese]).toEqual([dimension, 22, 11]);
    expect(own.some(({ judged }) => (judged?.turns.length ?? 0) > 1)).toBe(true);
  }
  // What has a right answer has a reference.
  for (const { id, judged } of samples)
    if (judged?.dimension === 'mathematics') expect([id, judged.reference]).not.toContain(undefined);
  expect(samples.find(({ id }) => id === 'mathematics/0')?.judged?.reference).toContain('24/5');
});

test('our rubric speaks of each dimension in both languages', () => {
  const { dimensions } = loadRubric();
  expect([...dimensions.keys()]).toEqual([...DIMENSIONS]);
  for (const { title, criteria } of dimensions.values())
    for (const text of [title, criteria]) expect(text).toMatchObject({ en: /\w/, zh: /\p{Script=Han}/u });
});

test("one's own file: the dimension is its name unless a line says otherwise; bad lines are counted by name", async () => {
  const path = join(folder, 'chit-chat.jsonl');
  const lines = [
    { turns: ['hi', 'and?'] },
    { turns: [] },
    { turns: ['你好'], dimension: 'safety' },
    { turns: 'hi' },
    { turns: ['hi'], language: 'fr' },
    { turns: ['hi'], answer: 'x' },
    { turns: ['hi'], reference: ' ' },
    ['hi'],
  ];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { samples, problems } = await load(dialogueOf(path));
  expect(samples.map(({ id, judged }) => [id, judged?.dimension, judged?.language])).toEqual([
    ['chit-chat/0', 'chit-chat', 'en'],
    ['chit-chat/2', 'safety', 'zh'],
  ]);
  expect(samples[0]?.laterTurns).toEqual(['and?']);
  expect(problems.list().map(({ reason, count }) => [reason, count])).toEqual([
    ['empty turn', 1],
    ['wrong field', 3],
    ['unknown field', 1],
    ['empty field', 1],
  ]);
  expect(() => dialogueOf(join(folder, 'absent.jsonl'))).toThrow(/no such file/);
  writeFileSync(join(folder, 'x.txt'), 'x');
  expect(() => dialogueOf(join(folder, 'x.txt'))).toThrow(/JSON Lines/);
  // A folder: all its files.
  const whole = await load(dialogueOf(folder));
  expect(whole.samples.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
});

test('a rubric that is none is refused by name', () => {
  const path = join(folder, 'rubric.yaml');
  const refused = (text: string): unknown => {
    writeFileSync(path, text);
    try {
      return loadRubric(path);
    } catch (error) {
      return String(error);
    }
  };
  expect(refused('name: [')).toMatch(/rubric\.yaml: not valid YAML/);
  expect(refused('name: x\nversion: 1\nrole: r\n')).toMatch(/rubric\.yaml: scale/);
  expect(refused('name: x\nversion: 1\nrole: r\nscale: s\ndimensions: {}\n')).toMatch(/dimensions/);
  expect(
    refused('name: x\nversion: 1\nrole: r\nscale: s\nextra: 1\ndimensions: {a: {title: t, criteria: c}}\n'),
  ).toMatch(/extra/);
  expect(
    refused('name: x\nversion: 1\nrole: r\nscale: s\ndimensions: {a: {title: t, criteria: c}}\n'),
  ).toMatchObject({
    name: 'x',
  });
  expect(() => loadRubric(join(folder, 'absent.yaml'))).toThrow(/absent\.yaml/);
});
