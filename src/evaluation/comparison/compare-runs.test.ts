import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type MadeSample, type MadeTask, writeRun } from '../../../tests/support/recorded-runs.js';
import { warningText } from '../report/page/comparison-warning.js';
import { renderReport } from '../report/page/report-page.js';
import { compareRuns, type RunsComparison, type TaskComparison } from './compare-runs.js';
import { comparisonMarkdown, comparisonText } from './comparison-table.js';
import { readRun } from './recorded-run.js';
import { writeComparison } from './write-comparison.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-compare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** Runs of one task, a list of right (1) and wrong (0) each. */
function bits(task: string, list: string, report: Record<string, unknown> = {}): MadeTask {
  return {
    task,
    report,
    samples: [...list].map((bit, index) => ({
      id: `a/${index}`,
      target: 'A',
      correct: bit === '1',
      extracted: 'A',
    })),
  };
}

function run(tasks: readonly MadeTask[], changes: Record<string, unknown> = {}): string {
  return writeRun(join(folder, `run-${made++}`), tasks, changes);
}

function compared(...runs: readonly string[]): RunsComparison {
  return compareRuns(runs.map(readRun));
}

function said(task: TaskComparison | undefined): string[] {
  return (task?.warnings ?? []).map((warning) => warningText(warning, 'en'));
}

describe('two runs', () => {
  test("of a task of one's own: paired, with the same test", () => {
    const found = compared(run([bits('my-capitals', '11000000')]), run([bits('my-capitals', '01111111')]));
    const [pair] = found.tasks[0]?.metrics[0]?.against_first ?? [];
    expect(pair).toMatchObject({ difference: 0.625, mcnemar: { firstOnly: 1, secondOnly: 6, p: 0.125 } });
  });

  test('scores, difference and discordant pairs over the samples in common', () => {
    const found = compared(run([bits('mmlu', '1100110011')]), run([bits('mmlu', '10111111')]));
    const [task] = found.tasks;
    expect(task).toMatchObject({ task: 'mmlu', common: 8, samples: [10, 8] });
    expect(said(task)).toEqual([
      `only the 8 samples in common are compared (${found.runs[0]?.label}: 10, ${found.runs[1]?.label}: 8)`,
    ]);
    const [metric] = task?.metrics ?? [];
    expect(metric?.scores).toEqual([0.5, 0.875]);
    const [pair] = metric?.against_first ?? [];
    expect(pair).toMatchObject({
      run: 1,
      difference: 0.375,
      mcnemar: { firstOnly: 1, secondOnly: 4, p: 0.375 },
    });
    // Bonett & Price: (4 + 1) / 10 and (1 + 1) / 10 in the place of 4 / 8 and 1 / 8.
    const half = 1.959963984540054 * Math.sqrt((0.5 + 0.2 - 0.3 ** 2) / 10);
    expect(pair?.interval?.[0]).toBeCloseTo(0.3 - half, 12);
    expect(pair?.interval?.[1]).toBeCloseTo(0.3 + half, 12);
  });

  test('never sure that two runs are the same because few samples agree', () => {
    const one = run([bits('mmlu', '1111')]);
    const [pair] = compared(one, run([bits('mmlu', '1111')])).tasks[0]?.metrics[0]?.against_first ?? [];
    expect(pair?.difference).toBe(0);
    expect((pair?.interval?.[1] ?? 0) - (pair?.interval?.[0] ?? 0)).toBeGreaterThan(0.4);
    expect(pair?.mcnemar?.p).toBe(1);
  });

  test('a score that is a mean over subjects is compared as one', () => {
    const samples = (list: string): MadeSample[] =>
      [...list].map((bit, index) => ({
        id: `x/${index}`,
        groups: [index < 2 ? 'anatomy' : 'virology', 'STEM'],
        correct: bit === '1',
      }));
    const { tasks } = compared(
      run([{ task: 'cmmlu', samples: samples('11000000') }]),
      run([{ task: 'cmmlu', samples: samples('00111000') }]),
    );
    // Two subjects of 2 and 6 samples: 1 and 0 against 0 and 1/2.
    expect(tasks[0]?.metrics[0]?.scores).toEqual([0.5, 0.25]);
    expect(tasks[0]?.metrics[0]?.against_first[0]?.difference).toBeCloseTo(-0.25, 12);
  });

  test('points over possible points; McNemar counts whole answers', () => {
    const task = (...points: number[]): MadeTask => ({
      task: 'gaokao-bench',
      metric: 'points',
      samples: points.map((own, index) => ({
        id: `p/${index}`,
        points: own,
        max_points: [6, 4, 2][index] ?? 1,
      })),
    });
    const [metric] = compared(run([task(3, 4, 0)]), run([task(6, 0, 2)])).tasks[0]?.metrics ?? [];
    expect(metric?.scores).toEqual([7 / 12, 8 / 12]);
    expect(metric?.against_first[0]?.difference).toBeCloseTo(1 / 12, 12);
    expect(metric?.against_first[0]?.mcnemar).toMatchObject({ firstOnly: 1, secondOnly: 2 });
  });

  test('pass@k and bits are compared by their values, and have no McNemar', () => {
    const several = (...correct: boolean[][]): MadeTask => ({
      task: 'humaneval',
      metric: 'pass@1',
      samples: correct.map((own, index) => ({ id: `HumanEval/${index}`, correct: own })),
    });
    const [metric] =
      compared(run([several([true, false], [false, false])]), run([several([true, true], [true, false])]))
        .tasks[0]?.metrics ?? [];
    expect(metric?.scores).toEqual([0.25, 0.75]);
    expect(metric?.against_first[0]).toMatchObject({ difference: 0.5, mcnemar: null });
  });

  test('samples that could not be asked, and those without a label, are left out and counted', () => {
    const first = bits('mmlu', '1111');
    const [asked, ...rest] = first.samples;
    const { tasks } = compared(
      run([first]),
      run([{ ...first, samples: [{ ...asked, id: 'a/0', missing: 'could not be asked' }, ...rest] }]),
    );
    expect(tasks[0]?.common).toBe(3);
    const unlabelled = { task: 'ceval', samples: [{ id: 'a/0', target: null, correct: null }] };
    const found = compared(run([unlabelled]), run([unlabelled]));
    expect(found.tasks[0]?.metrics).toEqual([]);
    expect(said(found.tasks[0])).toEqual(['1 samples have no label and are left out']);
  });
});

describe('what is not comparable', () => {
  const first = (): string => run([bits('mmlu', '1100'), bits('gsm8k', '10')]);

  test.each([
    [
      'another version of a task',
      { version: 2 },
      /mmlu: the runs measured different versions of the task \(run-\d+: 1, run-\d+: 2\)/,
    ],
    [
      'other data',
      { data: { files: 1, sha256: 'ffff' } },
      /mmlu: the runs read different files \(SHA-256 run-\d+: abcdef012345/,
    ],
  ])('%s is refused by name', (_, report, message) => {
    const other = run([bits('mmlu', '1100', report)]);
    expect(() => compared(first(), other)).toThrow(message);
  });

  test('other answers under the same ids are refused, however the runs were set up', () => {
    const samples = [{ id: 'a/0', target: 'B', correct: true }];
    const other = run([{ task: 'mmlu', samples, report: { shots: 0, data: { files: 1, sha256: 'ffff' } } }]);
    expect(() => compared(first(), other)).toThrow(
      /a\/0 has another answer in them; evaluate both on the same data/,
    );
  });

  test('no sample and no task in common', () => {
    const other = run([{ task: 'mmlu', samples: [{ id: 'b/0', correct: true }] }]);
    expect(() => compared(first(), other)).toThrow(/mmlu: the runs have no sample in common/);
    expect(() => compared(first(), run([bits('bbh', '1')]))).toThrow(
      /no task in common: run-\d+ has mmlu, gsm8k; run-\d+ has bbh/,
    );
    expect(() => compareRuns([first(), first()].map(readRun), ['bbh'])).toThrow(
      /--task bbh: not every run has it/,
    );
  });

  test.each([
    [
      'shots',
      { shots: 0, data: { files: 1, sha256: 'ffff' } },
      {},
      /other files were read.*\n.*--shots \(run-\d+: 5, run-\d+: 0\)/,
    ],
    ['mode', { mode: 'generate' }, {}, /other mode \(run-\d+: loglikelihood, run-\d+: generate\)/],
    ['form', { form: 'chat' }, {}, /other form/],
    ['thoughts', { cot: true }, {}, /--cot/],
    ['limit', {}, { limit: 4 }, /--limit \(run-\d+: none, run-\d+: 4\)/],
    ['split', {}, { split: 'val' }, /--split/],
    ['length of answers', {}, { max_new_tokens: 9 }, /--max-new-tokens/],
    ['examples dropped', { dropped_shots: 3 }, {}, /left out for length/],
  ])('other %s: a warning', (_, report, changes, message) => {
    const { tasks, notInAll } = compared(first(), run([bits('mmlu', '1100', report)], changes));
    expect(said(tasks[0]).join('\n')).toMatch(message);
    expect(notInAll).toEqual(['gsm8k']);
  });

  test('folders that hold no results, or something else, are named', () => {
    expect(() => readRun(join(folder, 'none'))).toThrow(/none: there is no such folder/);
    expect(() => readRun(folder)).toThrow(/holds no results\.json; name the --output folder/);
    const broken = run([bits('mmlu', '1')]);
    writeFileSync(join(broken, 'samples.jsonl'), '{"task": "mmlu", "id": 3}\n');
    expect(() => readRun(broken)).toThrow(/samples\.jsonl:1: not as xinghe evaluate writes it: id/);
    const foreign = run([bits('mmlu', '1')]);
    writeFileSync(
      join(foreign, 'samples.jsonl'),
      readFileSync(join(run([bits('bbh', '1')]), 'samples.jsonl')),
    );
    expect(() => readRun(foreign)).toThrow(/samples\.jsonl:1: a sample of bbh/);
    writeFileSync(join(broken, 'results.json'), '[]');
    expect(() => readRun(broken)).toThrow(/results\.json: not as xinghe evaluate writes it/);
  });
});

test('what was not finite is read as such, and shown', () => {
  const samples = [{ id: 'a/0', correct: true, target: 'B', loglikelihoods: [Number.NEGATIVE_INFINITY, -1] }];
  const found = readRun(run([{ task: 'mmlu', samples }]));
  expect(found.samples.get('mmlu')?.[0]?.loglikelihoods).toEqual([Number.NEGATIVE_INFINITY, -1]);
  expect(renderReport([found])).toMatch(/^<!doctype html>/);
});

test('a run that is not complete is compared as far as it goes, with a warning', () => {
  const failures = [{ reason: 'timed out', count: 2, examples: [] }];
  const { tasks } = compared(run([bits('mmlu', '11')]), run([bits('mmlu', '10', { failures })]));
  expect(said(tasks[0])[0]).toMatch(/run-\d+ is not complete: 2 samples could not be asked/);
});

test('three runs: each further one against the first; a table, Markdown, JSON and a page', () => {
  const folders = ['1100', '1110', '0000'].map((list) => run([bits('mmlu', list)]));
  const runs = folders.map(readRun);
  const comparison = compareRuns(runs);
  const lines = comparisonText(comparison).trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(
    /^task +metric +n +run-\d+ +run-\d+ +run-\d+ +compared +difference +95 % +only first +only second +p +McNemar$/,
  );
  expect(lines[1]).toMatch(/^mmlu +acc +4 +50\.00 +75\.00 +0\.00 +run-\d+ - run-\d+ +\+25\.00 /);
  expect(new Set(lines.slice(1).map((line) => line.indexOf('exact'))).size).toBe(1);
  const output = join(folder, 'compared');
  writeComparison(output, runs, comparison);
  expect(readFileSync(join(output, 'compare.md'), 'utf8')).toBe(comparisonMarkdown(comparison));
  expect(readFileSync(join(output, 'compare.html'), 'utf8')).toMatch(/^<!doctype html>/);
  expect(
    JSON.parse(readFileSync(join(output, 'compare.json'), 'utf8')).tasks[0].metrics[0].against_first[1],
  ).toMatchObject({
    run: 2,
    difference: -0.5,
    mcnemar: { first_only: 2, second_only: 0, method: 'exact', p: 0.5 },
  });
});

test('a folder compared with itself, and folders of one name, keep their labels apart', () => {
  const one = writeRun(join(folder, 'x', 'same'), [bits('mmlu', '11')]);
  const other = writeRun(join(folder, 'y', 'same'), [bits('mmlu', '10')]);
  expect(compared(one, other).runs.map(({ label }) => label)).toEqual([one, other]);
});
