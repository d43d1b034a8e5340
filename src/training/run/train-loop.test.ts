/** What a run does at its end, without anything learned, over epochs, and when it is started again. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { tinyRunModel } from '../../../tests/support/tiny-model.js';
import { parseConfig } from '../../config/index.js';
import { NothingLearnedError } from '../../errors/index.js';
import { MindRecordWriter } from '../../formats/index.js';
import { openCheckpointFolder } from '../checkpoints/run-checkpoint-store.js';
import { trainingSettings } from '../step/training-settings.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';
import { stepsOf } from './run-parts.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-train-loop-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [texts, dialogues] = ['texts', 'dialogues'].map((name) => join(folder, `${name}.jsonl`));
const jsonLines = (values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');
beforeAll(() => {
  const numbers = Array.from({ length: 40 }, (_, index) => index);
  writeFileSync(texts ?? '', jsonLines(numbers.map((n) => ({ text: `Row ${n}: 星河 ${n * 3}.` }))));
  const turns = (n: number) => [
    { role: 'user', content: `what is ${n}?` },
    { role: 'assistant', content: `twice ${n / 2}` },
  ];
  writeFileSync(dialogues ?? '', jsonLines(numbers.slice(0, 16).map((n) => ({ messages: turns(n) }))));
});

let said = '';
beforeEach(() => {
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    said += String(line);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

let runs = 0;
const training = { steps: 6, micro_batch_size: 2, learning_rate: 1e-3 };

function config(changes: Record<string, unknown>): TrainConfig {
  runs += 1;
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, `run-${runs}`),
      model: tinyRunModel(),
      data: { files: [texts], form: 'text', sequence_length: 24 },
      training,
      ...changes,
    },
    { source: 'test' },
  );
}

interface Line {
  readonly step: number;
  readonly loss?: number;
  readonly learning_rate?: number;
  readonly learned_tokens?: number;
  readonly rows?: number;
  readonly tokens?: number;
  readonly eval_tokens?: number;
  readonly skipped?: boolean;
  readonly eval_loss?: number | null;
}

function metrics({ output }: TrainConfig): Line[] {
  return readFileSync(join(output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const checkpointsOf = ({ output }: TrainConfig): string[] =>
  existsSync(join(output, 'checkpoints')) ? readdirSync(join(output, 'checkpoints')).sort() : [];

describe('float16 with a dynamic scale', () => {
  test('steps left out do not use up the schedule', async () => {
    const loss_scale = { initial: 2 ** 40, window: 1000 };
    const schedule = { learning_rate: 1e-2, warmup_steps: 3 };
    const run = config({
      training: { ...training, ...schedule, steps: 40, precision: 'float16-mixed', loss_scale },
    });
    await runTraining(run);
    const lines = metrics(run);
    const skipped = lines.filter(({ skipped }) => skipped === true).length;
    expect(skipped).toBeGreaterThan(5);
    // That is how the scale is found, and nothing wrong with the rows.
    expect(existsSync(join(run.output, 'bad-rows.jsonl'))).toBe(false);
    const applied = lines.filter(({ skipped }) => skipped !== true).map((line) => line.learning_rate ?? -1);
    // The first applied step begins the warm-up, the fourth has the full rate.
    expect(applied[0]).toBe(0);
    expect(applied[3]).toBe(1e-2);
    let count = 0;
    for (const { skipped: isSkipped, learning_rate } of lines) {
      if (count <= 3) expect(learning_rate).toBeCloseTo((1e-2 * count) / 3, 12);
      if (isSkipped !== true) count += 1;
    }
  });

  test('a run of left-out steps alone is an error, and has no final model', async () => {
    const loss_scale = { initial: 2 ** 100 };
    const run = config({ training: { ...training, precision: 'float16-mixed', loss_scale } });
    await expect(runTraining(run)).rejects.toThrow(NothingLearnedError);
    await expect(runTraining({ ...run, output: `${run.output}-b` })).rejects.toThrow(
      /none of the 6 steps was finite.*no final model is written.*loss_scale\.initial/,
    );
    expect(existsSync(join(run.output, 'final'))).toBe(false);
  });

  test('so is one whose rate was 0 all along', async () => {
    const run = config({ training: { ...training, steps: 1, schedule_form: 'spark' } });
    await expect(runTraining(run)).rejects.toThrow(/the learning rate was 0 in every step/);
  });
});

test('several MindRecord sets are learned as one set of the same rows', async () => {
  const write = async (name: string, first: number, end: number): Promise<string> => {
    const path = join(folder, `${name}.mindrecord`);
    const writer = new MindRecordWriter(path, [{ name: 'input_ids', type: 'int64', shape: [-1] }]);
    for (let row = first; row < end; row++)
      writer.add({ input_ids: Int32Array.from({ length: 12 }, (_, at) => 5 + row * 12 + at) });
    await writer.commit();
    return path;
  };
  const [whole, one, other] = [
    await write('whole', 0, 12),
    await write('one', 0, 5),
    await write('other', 5, 12),
  ];
  const losses = async (dataset: unknown): Promise<unknown> => {
    const run = config({ data: { dataset } });
    await runTraining(run);
    return metrics(run).map(({ loss }) => loss);
  };
  const wanted = await losses(whole);
  expect(wanted).toHaveLength(training.steps);
  expect(await losses([one, other])).toEqual(wanted);
  // The order of the list is the order of the rows.
  expect(await losses([other, one])).not.toEqual(wanted);
  expect(said).toContain(`data: 12 rows of 12 ids (${one}, ${other})`);
});

describe('an evaluation that is not finite', () => {
  test('is no best one, says so, and leaves checkpoints that can be read', async () => {
    const rows = { form: 'text', files: [texts], every: 2 };
    const run = config({
      evaluation: { ...rows, sequence_length: 24 },
      training: {
        ...training,
        learning_rate: 1e30,
        schedule: 'constant',
        max_grad_norm: 1e30,
        non_finite: 'skip',
      },
      checkpoints: { every: 2, keep_best: true },
    });
    await runTraining(run);
    const losses = metrics(run).flatMap(({ eval_loss }) => (eval_loss === undefined ? [] : [eval_loss]));
    expect(losses).toContain(null);
    expect(said).toMatch(/warning: the evaluation after step \d gave (NaN|Infinity)/);
    for (const name of checkpointsOf(run)) {
      const { best } = openCheckpointFolder(join(run.output, 'checkpoints', name));
      if (best !== null) expect(Number.isFinite(best.loss)).toBe(true);
    }
    expect(checkpointsOf(run)).toContain('step-6');
  });

  test('a checkpoint of early versions with such a best one is read', async () => {
    const run = config({ checkpoints: { every: 2 } });
    await runTraining(run);
    const path = join(run.output, 'checkpoints', 'step-4', 'training-state.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...manifest, best: { step: 2, loss: null } }));
    rmSync(join(run.output, 'checkpoints', 'step-6'), { recursive: true });
    rmSync(join(run.output, 'final'), { recursive: true });
    const { progress } = await runTraining(run, { resume: 'auto' });
    expect(progress).toMatchObject({ step: 6, best: undefined });
  });
});

describe('epochs', () => {
  test('take every row once: the last batch of each is smaller', async () => {
    const run = config({
      data: { files: [dialogues], form: 'messages', sequence_length: 60, packing: 'none' },
      training: { epochs: 2, micro_batch_size: 5, learning_rate: 1e-3 },
    });
    await runTraining(run);
    const rows = metrics(run).map((line) => line.rows);
    expect(rows).toEqual([5, 10, 15, 16, 21, 26, 31, 32]);
    expect(said).toMatch(/16 rows, 8 steps of 5 rows \(the last of an epoch: 1\)/);
  });

  test.each([
    [{ epochs: 1 }, 16, 4],
    [{ epochs: 3 }, 16, 12],
    [{ epochs: 0.5 }, 16, 2],
    [{ epochs: 1.5 }, 16, 6],
    [{ epochs: 0.01 }, 16, 1],
    [{ epochs: 2 }, 15, 6],
    [{ steps: 7 }, 16, 7],
  ])('%j of %i rows are %i steps of 5', (length, rows, steps) => {
    expect(stepsOf(trainingSettings({ ...length, micro_batch_size: 5 }), rows)).toBe(steps);
  });
});

describe('the last step', () => {
  test('always leaves a checkpoint, with keep_best the last state beside the best', async () => {
    const plain = config({});
    await runTraining(plain);
    expect(checkpointsOf(plain)).toEqual(['step-6']);
    const best = config({
      evaluation: { files: [texts], form: 'text', sequence_length: 24, every: 2 },
      training: { ...training, learning_rate: 1, schedule: 'constant' },
      checkpoints: { keep_best: true, keep_last: 1 },
    });
    const { progress } = await runTraining(best);
    expect(progress.best?.step).toBe(2);
    expect(checkpointsOf(best)).toEqual(['step-2', 'step-6']);
    const [final, saved] = ['final', 'checkpoints/step-2'].map((name) =>
      readFileSync(join(best.output, name, 'model.safetensors')),
    );
    expect(final?.equals(saved ?? Buffer.from(''))).toBe(true);
  });

  test('is found again where the final model was not written', async () => {
    const run = config({});
    await runTraining(run);
    const final = readFileSync(join(run.output, 'final', 'model.safetensors'));
    rmSync(join(run.output, 'final'), { recursive: true });
    const { losses } = await runTraining(run, { resume: 'auto' });
    expect(losses).toEqual([]);
    expect(readFileSync(join(run.output, 'final', 'model.safetensors')).equals(final)).toBe(true);
  });
});

describe('--resume auto', () => {
  test('begins anew where no checkpoint is, and says so', async () => {
    const straight = config({});
    await runTraining(straight);
    const run = config({});
    // What a run leaves that is killed before its first checkpoint.
    await runTraining(run);
    for (const name of ['checkpoints', 'final']) rmSync(join(run.output, name), { recursive: true });
    said = '';
    await runTraining(run, { resume: 'auto' });
    expect(said).toMatch(/has no checkpoint yet: the run begins anew/);
    expect(metrics(run).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    const [a, b] = [straight, run].map(({ output }) =>
      readFileSync(join(output, 'final', 'model.safetensors')),
    );
    expect(a?.equals(b ?? Buffer.from(''))).toBe(true);
  });

  test('of a folder that is not there too', async () => {
    const run = config({});
    const { losses } = await runTraining(run, { resume: 'auto' });
    expect(losses.length).toBe(6);
  });

  test('leaves a finished run as it is', async () => {
    const run = config({ checkpoints: { every: 2 } });
    await runTraining(run);
    const before = readFileSync(join(run.output, 'metrics.jsonl'), 'utf8');
    said = '';
    const { losses, progress } = await runTraining(run, { resume: 'auto' });
    expect(losses).toEqual([]);
    expect(progress.step).toBe(6);
    expect(said).toMatch(/the run is finished, nothing is left to do/);
    expect(readFileSync(join(run.output, 'metrics.jsonl'), 'utf8')).toBe(before);
  });

  test('goes on where more steps are asked for, and exchanges the final model', async () => {
    const constant = { ...training, schedule: 'constant' };
    const run = config({ training: constant });
    await runTraining(run);
    const more = { ...run, training: { ...run.training, steps: 9 } };
    const { losses } = await runTraining(more, { resume: 'auto' });
    expect(losses.map(({ step }) => step)).toEqual([7, 8, 9]);
  });

  test('does not begin anew over damaged checkpoints', async () => {
    const run = config({});
    await runTraining(run);
    rmSync(join(run.output, 'final'), { recursive: true });
    writeFileSync(join(run.output, 'checkpoints', 'step-6', 'model.safetensors'), '');
    await expect(runTraining(run, { resume: 'auto' })).rejects.toThrow(/holds no whole checkpoint/);
  });
});

describe('held-out rows', () => {
  const held = { files: [texts], form: 'text', sequence_length: 24, every: 2 };
  const tokensOf = (run: TrainConfig): (number | undefined)[] =>
    metrics(run).flatMap(({ eval_loss, eval_tokens }) => (eval_loss === undefined ? [] : [eval_tokens]));

  test('are measured as far as asked, however they are batched', async () => {
    const counts: (number | undefined)[][] = [];
    for (const [max_rows, micro_batch_size] of [
      [3, 2],
      [3, 3],
      [undefined, 2],
    ] as const) {
      const evaluation = { ...held, files: [texts], max_rows };
      const run = config({ evaluation, training: { ...training, micro_batch_size, steps: 3 } });
      await runTraining(run);
      // After every second step and at the end.
      counts.push(tokensOf(run));
      expect(counts.at(-1)?.length).toBe(2);
    }
    expect(counts[0]).toEqual(counts[1]);
    expect(counts[2]?.[0]).toBeGreaterThan(2 * (counts[0]?.[0] ?? 0));
  });

  test('are not measured again by a run that is resumed behind an evaluation', async () => {
    const run = config({ evaluation: { ...held, files: [texts] }, checkpoints: { every: 2 } });
    await runTraining(run);
    for (const name of ['final', 'checkpoints/step-6']) rmSync(join(run.output, name), { recursive: true });
    const { evaluations } = await runTraining(run, { resume: 'auto' });
    expect(evaluations.map(({ step }) => step)).toEqual([6]);
  });
});

test('tokens and rows are counted on', async () => {
  const run = config({});
  await runTraining(run);
  const lines = metrics(run);
  for (const [index, { tokens = 0, learned_tokens = 0 }] of lines.entries()) {
    const before = lines[index - 1]?.tokens ?? 0;
    // Each row has one id more than it has predictions.
    expect(tokens - before).toBeGreaterThanOrEqual(learned_tokens);
  }
  expect(lines.at(-1)?.rows).toBe(12);
});

test('a schedule has a length of its own', async () => {
  const run = config({
    training: { ...training, schedule: 'linear', schedule_steps: 3, min_learning_rate: 1e-4 },
  });
  await runTraining(run);
  const rates = metrics(run).map(({ learning_rate = 0 }) => learning_rate);
  expect(rates.map((rate) => rate.toFixed(6))).toEqual(
    [1e-3, 7e-4, 4e-4, 1e-4, 1e-4, 1e-4].map((rate) => rate.toFixed(6)),
  );
  await expect(
    runTraining(config({ training: { ...training, schedule_steps: 3, warmup_steps: 5 } })),
  ).rejects.toThrow(/warmup_steps is 5, but its schedule has 3 steps/);
});

test('learn: all learns the questions too', async () => {
  const learned: number[] = [];
  for (const learn of ['masked', 'all']) {
    const data = { files: [dialogues], form: 'messages', sequence_length: 60, packing: 'none', learn };
    const run = config({ data, training: { ...training, steps: 1, schedule: 'constant' } });
    await runTraining(run);
    learned.push(metrics(run)[0]?.learned_tokens ?? 0);
  }
  expect(learned[1]).toBeGreaterThan(learned[0] ?? 0);
});

test('records of files that teach nothing and keys that are not read are counted', async () => {
  const turns = (weight: number) => [
    { role: 'user', content: 'what?', mood: 'curious' },
    { role: 'assistant', content: 'this', weight },
  ];
  const mixed = join(folder, 'mixed.jsonl');
  writeFileSync(mixed, jsonLines([0, 1, 0, 1].map((weight, id) => ({ id, messages: turns(weight) }))));
  const data = { files: [mixed], form: 'messages', sequence_length: 60, packing: 'none' };
  await runTraining(config({ data, training: { ...training, steps: 1, schedule: 'constant' } }));
  expect(said).toContain(
    `2 records with nothing to learn left out (nothing to learn), the first: ${mixed}:1:`,
  );
  expect(said).toContain('keys of the records that are not read: id (4), messages[].mood (4)');
});
