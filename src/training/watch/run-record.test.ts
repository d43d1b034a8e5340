/** What a run leaves in its folder of itself, and what a dry run does not. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stepRecord } from '../../../tests/support/run-records.js';
import { tinyRunModel } from '../../../tests/support/tiny-model.js';
import { main } from '../../cli/main.js';
import { parseConfig, readConfigFile } from '../../config/index.js';
import { log } from '../../log/index.js';
import { runTraining } from '../run/run.js';
import { type TrainConfig, trainConfigSchema } from '../run/run-config.js';
import { runRecord } from './run-record.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-run-record-'));
const texts = join(folder, 'texts.jsonl');
beforeAll(() => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const lines = Array.from({ length: 40 }, (_, index) =>
    JSON.stringify({ text: `Row ${index}: 星河 ${index}.` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

function values(output: string, training: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    output: join(folder, output),
    model: tinyRunModel({ max_position_embeddings: 64 }),
    data: { files: [texts], form: 'text', sequence_length: 24 },
    training: { steps: 4, micro_batch_size: 2, ...training },
    checkpoints: { every: 2 },
    watch: { prompts: ['Row 1'] },
    evaluation: { files: [texts], form: 'text', sequence_length: 24, every: 2, max_rows: 2 },
  };
}

const config = (output: string, training?: Record<string, unknown>): TrainConfig =>
  parseConfig(trainConfigSchema, values(output, training), { source: 'test' });
const read = (output: string, name: string): string => readFileSync(join(folder, output, name), 'utf8');
const lines = (output: string, name: string): unknown[] =>
  read(output, name)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a run', () => {
  it('records its configuration so that it can be run again, how it was started, a log with times, its samples', async () => {
    await runTraining(config('first'));
    const path = join(folder, 'first', 'config.yaml');
    const again = parseConfig(trainConfigSchema, readConfigFile(path), { source: path });
    expect(again).toEqual(config('first'));
    expect(read('first', 'config.yaml')).toContain('learning_rate: 0.0003'); // A default.
    expect(lines('first', 'starts.jsonl')).toMatchObject([
      {
        first_step: 1,
        total_steps: 4,
        versions: {
          xinghe: expect.stringMatching(/^\d/),
          node: process.versions.node,
          libtorch: expect.any(String),
        },
        directory: process.cwd(),
        command: expect.any(Array),
      },
    ]);
    const logged = read('first', 'run.log').trimEnd().split('\n');
    for (const line of logged) expect(line).toMatch(/^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d | {2})/);
    for (const part of [
      /data: \d+ rows/,
      /step 4\/4: loss [\d.]+, gradient/,
      /step 2: evaluation loss/,
      /final model: /,
    ])
      expect(read('first', 'run.log')).toMatch(part);
    expect(logged.at(-1)).toMatch(/the run has ended$/);
    expect(lines('first', 'samples.jsonl')).toMatchObject([
      { step: 2, prompt: 'Row 1' },
      { step: 4, prompt: 'Row 1' },
    ]);
  });

  it('that is taken up again says so, and keeps the configuration that it began with', async () => {
    await runTraining(config('again', { steps: 4 }));
    rmSync(join(folder, 'again', 'final'), { recursive: true });
    rmSync(join(folder, 'again', 'checkpoints', 'step-4'), { recursive: true, force: true });
    await runTraining({ ...config('again'), threads: 1 }, { resume: 'auto' });
    expect(lines('again', 'starts.jsonl')).toMatchObject([{ first_step: 1 }, { first_step: 3 }]);
    expect(read('again', 'config.yaml')).toContain('threads: 1');
    const kept = readdirSync(join(folder, 'again')).filter((name) => name.startsWith('config-until-'));
    expect(kept).toHaveLength(1);
    expect(read('again', kept[0] ?? '')).not.toContain('threads: 1');
    expect(read('again', 'run.log')).toMatch(/resumed from .*step-2/);
  });

  it('leaves a config.yaml of the user alone', async () => {
    mkdirSync(join(folder, 'own'));
    writeFileSync(join(folder, 'own', 'config.yaml'), 'mine: true\n');
    await runTraining(config('own'));
    expect(read('own', 'config.yaml')).toBe('mine: true\n');
    expect(read('own', 'resolved-config.yaml')).toContain('steps: 4');
    expect(read('own', 'run.log')).toContain("is not the run's own and stays");
  });

  it('that fails before its first step leaves nothing, and stops hearing the log', async () => {
    const bad = { ...config('bad'), data: { ...config('bad').data, files: [join(folder, 'absent.jsonl')] } };
    await expect(runTraining(bad)).rejects.toThrow('absent.jsonl');
    expect(readdirSync(folder)).not.toContain('bad');
  });
});

describe('runRecord', () => {
  it('writes what was logged before the first step, and why the run ended', () => {
    const output = join(folder, 'alone');
    mkdirSync(output);
    const record = runRecord(output, { config: { a: 1 }, command: ['xinghe', 'train', "it's here"] });
    log('before');
    expect(readdirSync(output)).toEqual([]);
    record.step(stepRecord(1, { loss: Number.NaN }));
    log('two\nlines');
    record.close();
    record.end(new Error('no more room'));
    log('after');
    const text = read('alone', 'run.log').replace(/^\S+ /gm, '');
    expect(text).toMatch(
      /^xinghe train 'it'\\''s here'\nbefore\nstep 1\/100: loss NaN, .*\ntwo\n *lines\nthe run was ended: no more room\n$/,
    );
  });
});

describe('xinghe train --dry-run', () => {
  it('shows configuration, plan and first rows, and writes nothing', async () => {
    const path = join(folder, 'run.json');
    writeFileSync(path, JSON.stringify(values('dry')));
    let printed = '';
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    const before = readdirSync(folder).sort();
    const code = await main(['train', '--config', path, '--dry-run', '--set', 'training.learning_rate=0.01']);
    stdout.mockRestore();
    expect(code).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(printed).toMatch(/^ {2}learning_rate: 0.01$/m);
    expect(printed).toMatch(/^ {2}peak +[\d.]+ [MG]B/m);
    expect(printed).toMatch(/^4 steps of 2 rows; \d+ rows, [\d.]+ epochs$/m);
    expect(printed).toMatch(/^\d+ held-out rows$/m);
    expect(printed.match(/^row \d+: ⟦.*Row \d+: 星河/gm)).toHaveLength(2);
  });

  it('refuses what a run would refuse: a folder with a run, missing data, unknown adapters, too many warm-up steps', async () => {
    await runTraining(config('taken'));
    const tries: [Record<string, unknown>, RegExp][] = [
      [values('taken'), /holds a run already/],
      [values('d1', { warmup_steps: 9 }), /warmup_steps is 9/],
      [{ ...values('d2'), data: { files: [join(folder, 'absent')], form: 'text' } }, /absent/],
      [
        { ...values('d3'), model: { ...Object(values('d3').model), adapter: join(folder, 'none') } },
        /no such adapter/,
      ],
    ];
    for (const [content, message] of tries) {
      const path = join(folder, 'refused.json');
      writeFileSync(path, JSON.stringify(content));
      const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      stderr.mockClear();
      expect(await main(['train', '--config', path, '--dry-run'])).toBe(2);
      expect(stderr.mock.calls.map(([text]) => String(text)).join('')).toMatch(message);
    }
    expect(await main(['train', '--config', join(folder, 'run.json'), '--dry-run', '--json'])).toBe(2);
    expect(readdirSync(folder).filter((name) => /^d\d$/.test(name))).toEqual([]);
  });

  it('shows the rows that a resumed run would take next', async () => {
    const path = join(folder, 'resume.json');
    writeFileSync(path, JSON.stringify({ ...values('taken'), training: { steps: 4, micro_batch_size: 2 } }));
    let printed = '';
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    expect(await main(['train', '--config', path, '--dry-run', '--resume', 'auto'])).toBe(0);
    stdout.mockRestore();
    expect(printed).toMatch(/4 steps of 2 rows, [24] of them done/);
  });
});
