/** Runs that learn from answers that are compared or judged: whole runs of a small model. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { casesOf } from '../../../tests/support/long-suite.js';
import { tinyRunModel, writeTinyModel } from '../../../tests/support/tiny-model.js';
import { loadAdapter } from '../../checkpoint/index.js';
import { parseConfig } from '../../config/index.js';
import { listenToLog } from '../../log/index.js';
import { loadModel } from '../../models/index.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-preference-'));
const pairs = join(folder, 'pairs.jsonl');
const judged = join(folder, 'judged.jsonl');
let model = '';
beforeAll(async () => {
  const lines = (of: (index: number) => object): string =>
    Array.from({ length: 10 }, (_, index) => `${JSON.stringify(of(index))}\n`).join('');
  writeFileSync(
    pairs,
    lines((index) => ({
      prompt: `What is ${index} and one?`,
      chosen: `It is ${index + 1}, I think.`,
      rejected: `No idea ${index * 3}.`,
    })),
  );
  writeFileSync(
    judged,
    lines((index) => ({ prompt: `Say ${index}.`, completion: `I say ${index * 7}.`, label: index % 3 > 0 })),
  );
  model = await writeTinyModel();
});
afterAll(() => rmSync(folder, { recursive: true }));

type Section = Record<string, unknown>;

interface Changes {
  readonly training?: Section;
  readonly data?: Section;
  readonly model?: Section;
  readonly lora?: Section;
  readonly watch?: Section;
  readonly evaluation?: Section | undefined;
}

function parse(output: string, objective: Section | undefined, changes: Changes = {}): TrainConfig {
  const rows = {
    files: [objective?.loss === 'kto' ? judged : pairs],
    form: 'preference',
    sequence_length: 128,
  };
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, output),
      threads: 1,
      model: changes.model ?? tinyRunModel(),
      data: { ...rows, ...changes.data },
      evaluation: { ...rows, every: 4, max_rows: 4 },
      training: {
        steps: 8,
        micro_batch_size: 2,
        gradient_accumulation_steps: 2,
        learning_rate: 3e-3,
        ...(objective !== undefined && { objective }),
        ...changes.training,
      },
      checkpoints: { every: 4 },
      ...(changes.lora !== undefined && { lora: changes.lora }),
      ...(changes.watch !== undefined && { watch: changes.watch }),
    },
    { source: 'test' },
  );
}

/** What of the metrics does not depend on time. */
function numbers(output: string): object[] {
  return readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const {
        tokens_per_second: _a,
        mfu: _b,
        memory_bytes: _c,
        peak_memory_bytes: _d,
        phase_seconds: _e,
        elapsed_seconds: _f,
        eval_seconds: _g,
        ...rest
      } = JSON.parse(line);
      return rest;
    });
}

async function loggedBy(body: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const stop = listenToLog((line) => lines.push(line));
  try {
    await body();
  } finally {
    stop();
  }
  return lines.join('\n');
}

/** A run that was killed after its first checkpoint. */
function killed(from: string, to: string): void {
  cpSync(join(folder, from), join(folder, to), { recursive: true });
  for (const name of ['final', 'adapter', 'checkpoints/step-8'])
    rmSync(join(folder, to, name), { recursive: true, force: true });
}

const weights = (output: string): Buffer => readFileSync(join(folder, output, 'final/model.safetensors'));
const lora = { rank: 2, alpha: 4, dropout: 0.2, target_modules: ['.'] };

const runs: readonly [name: string, objective: Section, changes: Changes][] = [
  ['dpo', { loss: 'dpo', label_smoothing: 0.1 }, {}],
  ['dpo-lora', { loss: 'dpo' }, { lora }],
  ['ipo', { loss: 'ipo' }, { training: { recompute: 'full', neftune_noise_alpha: 5 } }],
  ['simpo', { loss: 'simpo' }, {}],
  ['orpo', { loss: 'orpo' }, {}],
  ['kto', { loss: 'kto' }, { lora }],
  ['reward', { loss: 'reward' }, {}],
  ['reward-lora', { loss: 'reward' }, { lora }],
];

test.each(casesOf(runs, ([name]) => ['dpo', 'ipo', 'kto', 'reward', 'reward-lora'].includes(name)))(
  '%s: learns, and a resumed run gives the same bits',
  async (name, objective, changes) => {
    const { losses, evaluations } = await runTraining(parse(name, objective, changes));
    expect(losses).toHaveLength(8);
    expect(evaluations.map(({ step, perplexity }) => [step, perplexity])).toEqual([
      [4, undefined],
      [8, undefined],
    ]);
    const lines = numbers(name);
    expect(lines[0]).toMatchObject({ step: 1, 'rewards/margins': expect.any(Number) });
    expect(lines.at(-1)).toMatchObject({ step: 8, 'eval_rewards/margins': expect.any(Number) });
    // The same rows in turn: what is preferred becomes clear.
    expect(evaluations.at(-1)?.metrics?.['rewards/margins']).toBeGreaterThan(
      evaluations[0]?.metrics?.['rewards/margins'] ?? Number.NaN,
    );
    killed(name, `${name}-resumed`);
    // Nothing is to be taken from the run before: a reference of the trained weights would be another one.
    rmSync(join(folder, 'reference-log-probs'), { recursive: true, force: true });
    await runTraining(parse(`${name}-resumed`, objective, changes), { resume: 'auto' });
    expect(numbers(`${name}-resumed`)).toEqual(lines);
    expect(weights(`${name}-resumed`).equals(weights(name))).toBe(true);
  },
);

describe('the reference', () => {
  test('is computed once for the same data and model, and again for others', async () => {
    rmSync(join(folder, 'reference-log-probs'), { recursive: true, force: true });
    const first = await loggedBy(() => runTraining(parse('once', { loss: 'dpo' })));
    expect(first).toContain('training: log-probabilities of the reference for 10 rows');
    const kept = readdirSync(join(folder, 'reference-log-probs'));
    // Another loss and other numbers of steps ask for the same.
    const again = await loggedBy(() =>
      runTraining(parse('twice', { loss: 'ipo' }, { training: { steps: 2 } })),
    );
    expect(again).toContain('training: log-probabilities of the reference taken from');
    expect(again).not.toContain('reference for');
    expect(readdirSync(join(folder, 'reference-log-probs'))).toEqual(kept);
    const other = await loggedBy(() =>
      runTraining(parse('other', { loss: 'dpo' }, { model: { path: model }, training: { steps: 2 } })),
    );
    expect(other).toContain('training: log-probabilities of the reference for 10 rows');
    expect(numbers('once')[0]).toMatchObject({
      loss: expect.closeTo(Math.LN2, 5),
      'rewards/margins': expect.closeTo(0, 4),
    });
  });

  test('a file that is damaged is computed again', async () => {
    const cache = join(folder, 'reference-log-probs');
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'x');
    const told = await loggedBy(() => runTraining(parse('damaged', { loss: 'dpo' })));
    expect(told).toContain('is not readable');
    expect(numbers('damaged')).toEqual(numbers('once'));
  });
});

test('keys that nobody reads are listed once, with counts', async () => {
  const noted = join(folder, 'noted.jsonl');
  const turn = (role: string, content: string) => ({ role, content, mood: 'good' });
  writeFileSync(
    noted,
    [1, 2, 3]
      .map((index) =>
        JSON.stringify({
          messages: [turn('user', `${index}?`)],
          chosen: `${index}`,
          rejected: 'no',
          source: 'here',
          ...(index === 1 && { score_chosen: 5 }),
        }),
      )
      .join('\n'),
  );
  const told = await loggedBy(() =>
    runTraining(parse('noted', { loss: 'simpo' }, { data: { files: [noted] }, training: { steps: 1 } })),
  );
  expect(told.match(/keys of the records that are not read: .*/g)).toEqual([
    'keys of the records that are not read: source (3), messages[].mood (3), score_chosen (1)',
  ]);
});

test('accumulation changes nothing but the order of sums', async () => {
  const first = async (name: string, loss: string, training: Section): Promise<number> => {
    const { losses } = await runTraining(parse(name, { loss }, { training: { ...training, steps: 1 } }));
    return losses[0]?.loss ?? Number.NaN;
  };
  for (const loss of ['orpo', 'simpo', 'reward']) {
    const whole = await first(`whole-${loss}`, loss, { micro_batch_size: 4, gradient_accumulation_steps: 1 });
    const parts = await first(`parts-${loss}`, loss, { micro_batch_size: 1, gradient_accumulation_steps: 4 });
    expect(Math.abs(parts / whole - 1)).toBeLessThan(1e-6);
  }
});

describe('records', () => {
  test('the same, the empty and the too long are counted', async () => {
    const file = join(folder, 'mixed.jsonl');
    const records = [
      { prompt: 'q', chosen: 'a', rejected: 'a' },
      { prompt: 'q', chosen: 'a', rejected: '' },
      { prompt: 'long '.repeat(200), chosen: 'a', rejected: 'b' },
    ];
    writeFileSync(
      file,
      readFileSync(pairs, 'utf8') + records.map((record) => `${JSON.stringify(record)}\n`).join(''),
    );
    const told = await loggedBy(() =>
      runTraining(parse('mixed', { loss: 'simpo' }, { data: { files: [file] }, training: { steps: 1 } })),
    );
    expect(told).toContain(`1 record with nothing to learn left out (same answers), the first: ${file}:11`);
    expect(told).toContain(
      `1 record with nothing to learn left out (nothing to learn), the first: ${file}:12`,
    );
    expect(told).toContain('data: 1 of 11 records are longer than 129 ids');
    expect(told).toContain('data: 10 pairs');
  });

  test('faults are named with file and line', async () => {
    const file = join(folder, 'faulty.jsonl');
    const refused = async (record: object, objective: Section): Promise<unknown> => {
      writeFileSync(file, `${JSON.stringify(record)}\n`);
      return runTraining(parse('faulty', objective, { data: { files: [file] } })).catch(
        (error: unknown) => error,
      );
    };
    expect(await refused({ prompt: 'q', chosen: 'a' }, { loss: 'dpo' })).toMatchObject({
      message: `${file}:1: missing \`rejected\`; keys found: prompt, chosen.`,
    });
    expect(await refused({ prompt: 'q', completion: 'a', label: true }, { loss: 'dpo' })).toMatchObject({
      message: expect.stringContaining(`${file}:1: an answer with a label, where dpo compares two`),
    });
    expect(await refused({ prompt: 'q', chosen: 'a', rejected: 'a' }, { loss: 'dpo' })).toMatchObject({
      message: expect.stringContaining('no record to train on'),
    });
  });

  test('kto takes pairs apart', async () => {
    const told = await loggedBy(() =>
      runTraining(parse('unpaired', { loss: 'kto' }, { data: { files: [pairs] }, training: { steps: 1 } })),
    );
    expect(told).toContain('data: 20 answers (10 of them wanted)');
  });
});

describe('what does not go together is refused', () => {
  const dpo = { loss: 'dpo' };
  test.each<[string, () => TrainConfig]>([
    ['training.objective.bata: unknown key. Did you mean `beta`?', () => parse('x', { ...dpo, bata: 1 })],
    ['training.objective.loss: expected one of "dpo"', () => parse('x', { loss: 'ppo' })],
    ['simpo_gamma belongs to the loss simpo', () => parse('x', { ...dpo, simpo_gamma: 1 })],
    ['need a training.objective', () => parse('x', undefined)],
    ['give data.files with form: preference', () => parse('x', dpo, { data: { form: 'messages' } })],
    ['packing does not go with the form preference', () => parse('x', dpo, { data: { packing: 'greedy' } })],
    ['it needs 2 rows at least', () => parse('x', { loss: 'kto' }, { training: { micro_batch_size: 1 } })],
    ['a reward model writes no text', () => parse('x', { loss: 'reward' }, { watch: { prompts: ['Hi'] } })],
  ])('%s', (message, make) => {
    expect(make).toThrow(message);
  });
});

describe('a reward model', () => {
  test('is saved as a classifier of one label, and goes on from there', async () => {
    const final = join(folder, 'reward', 'final');
    expect(JSON.parse(readFileSync(join(final, 'config.json'), 'utf8'))).toMatchObject({
      architectures: ['XverseForSequenceClassification'],
      num_labels: 1,
    });
    expect(() => loadModel(final)).toThrow('this is a reward model: it scores conversations (xinghe score)');
    expect(() => loadModel(model, { output: 'score' })).toThrow('this is no reward model');
    const { model: scoring } = loadModel(final, { output: 'score' });
    const names = scoring.namedParameters().map(([path]) => path);
    expect(names).toContain('score.weight');
    expect(names).not.toContain('lmHead.weight');
    scoring.dispose();
    const trained = evaluationMargin('reward');
    await runTraining(
      parse('reward-on', { loss: 'reward' }, { model: { path: final, tokenizer: tinyRunModel().tokenizer } }),
    );
    expect(evaluationMargin('reward-on')).toBeGreaterThan(trained);
    await expect(
      runTraining(parse('reward-dpo', { loss: 'dpo' }, { model: { path: final } })),
    ).rejects.toThrow('this is a reward model');
  });

  test("an adapter's folder has the score, whole", () => {
    const adapter = join(folder, 'reward-lora', 'adapter');
    const config: unknown = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['score'] });
    const { model: merged } = loadModel(join(folder, 'reward-lora', 'final'), { output: 'score' });
    const { model: other, architecture } = loadModel(join(folder, 'reward', 'final'), { output: 'score' });
    loadAdapter(other, architecture.names, adapter);
    const scoreOf = (from: typeof other): number[] =>
      new Map(from.namedParameters()).get('score.weight')?.toArray() ?? [];
    expect(scoreOf(other)).toEqual(scoreOf(merged));
    merged.dispose();
    other.dispose();
  });

  function evaluationMargin(output: string): number {
    const last: unknown = numbers(output).at(-1);
    return Number(Object(last)['eval_rewards/margins']);
  }
});

test('noise on the embeddings: another loss in training, none in evaluation', async () => {
  const noisy = { steps: 1, learning_rate: 1e-12, neftune_noise_alpha: 50 };
  await runTraining(
    parse('quiet', { loss: 'simpo' }, { training: { ...noisy, neftune_noise_alpha: undefined } }),
  );
  await runTraining(parse('noisy', { loss: 'simpo' }, { training: noisy }));
  const [quiet, loud] = [numbers('quiet'), numbers('noisy')];
  const value = (line: object | undefined, key: string): number => Number(Object(line)[key]);
  expect(Math.abs(value(quiet[0], 'loss') - value(loud[0], 'loss'))).toBeGreaterThan(1e-4);
  expect(value(loud[1], 'eval_loss')).toBeCloseTo(value(quiet[1], 'eval_loss'), 6);
});
