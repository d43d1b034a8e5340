/** Mixed precision to a number of bytes; embedding and output projection as integers; runs that go on. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../src/errors/index.js';
import { loadModel, type QuantizeOptions, quantizeModel } from '../src/models/index.js';
import { chooseLevels } from '../src/models/quantize/choose-levels.js';
import { dequantizeLayers, IntegerEmbedding } from '../src/quantization/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { maxAbsDifference } from './support/golden.js';
import { saveSmallLlama } from './support/small-llama.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-quantize-auto-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function modelOf(name: string, tied: boolean): Promise<string> {
  const folder = join(root, name);
  await saveSmallLlama(folder, { tie_word_embeddings: tied });
  return folder;
}

const windows = Array.from({ length: 8 }, (_, window) =>
  Array.from({ length: 32 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
);

let untied = '';
let tied = '';
beforeAll(async () => {
  untied = await modelOf('untied', false);
  tied = await modelOf('tied', true);
});

let made = 0;
async function quantized(
  options: Partial<QuantizeOptions> & { from: string },
): Promise<{ to: string; bytes: number; bits: Set<number> }> {
  const to = join(root, String(made++));
  const { bytes, layers } = await quantizeModel({ to, bits: 4, groupSize: 64, ...options });
  return { to, bytes, bits: new Set(layers.map(({ bits }) => bits)) };
}

function logitsOf(path: string, keepIntegers: boolean): Tensor {
  return noGrad(() =>
    scope(() => {
      const { model } = loadModel(path, { keepIntegers, dtype: 'float32' });
      const logits = model.forward(intTensor(windows[0] ?? [], [1, 32]));
      model.dispose();
      return logits;
    }),
  );
}

describe('embedding and output projection', () => {
  test.each(['compressed-tensors', 'gptq'] as const)(
    '%s: integers of both compute what their floats do',
    async (form) => {
      for (const from of [tied, untied])
        for (const ends of [4, 8] as const) {
          const { to } = await quantized({ from, ends, form });
          expect(maxAbsDifference(logitsOf(to, true), logitsOf(to, false))).toBeLessThan(1e-5);
          const { model } = loadModel(to, { keepIntegers: true });
          expect([...model.namedModules()].some(([, module]) => module instanceof IntegerEmbedding)).toBe(
            true,
          );
          dequantizeLayers(model, 'float32');
          const floats = noGrad(() => scope(() => model.forward(intTensor(windows[0] ?? [], [1, 32]))));
          expect(maxAbsDifference(floats, logitsOf(to, false))).toBeLessThan(1e-5);
          model.dispose();
        }
    },
  );

  test('a file says what is no layer of its main form', async () => {
    const { to } = await quantized({ from: untied, ends: 8 });
    const { quantization_config: config } = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'));
    expect(config.ignore).toEqual([]);
    expect(config.config_groups.group_1).toMatchObject({
      targets: ['model.embed_tokens', 'lm_head'],
      weights: { num_bits: 8 },
    });
  });
});

describe('auto', () => {
  const weightBytes = (folder: string): number =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.safetensors'))
      .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

  test('more bytes are more bits, never more than asked for; the text loses less', async () => {
    const divergences: number[] = [];
    for (const targetBytes of [70_000, 100_000, 200_000]) {
      const { to, bytes } = await quantized({
        from: untied,
        scheme: 'auto',
        targetBytes,
        calibration: windows,
        measured: windows,
      });
      expect(bytes).toBeLessThanOrEqual(targetBytes);
      expect(bytes).toBeGreaterThan(0.85 * targetBytes);
      expect(weightBytes(to)).toBeLessThan(targetBytes + 20_000);
      expect(maxAbsDifference(logitsOf(to, true), logitsOf(to, false))).toBeLessThan(1e-5);
      const report = JSON.parse(readFileSync(join(to, 'quantization_report.json'), 'utf8'));
      divergences.push(report.comparison.divergence);
    }
    expect(divergences[1]).toBeLessThan(divergences[0] ?? 0);
    expect(divergences[2]).toBeLessThan(divergences[1] ?? 0);
  });

  test('a budget that cannot be met says what can', async () => {
    const attempt = quantized({ from: untied, scheme: 'auto', targetBytes: 1000, calibration: windows });
    await expect(attempt).rejects.toThrow(InputError);
    await expect(attempt).rejects.toThrow(/--target-bytes 1000: the least that these forms take is \d+/);
    await expect(quantized({ from: untied, scheme: 'auto', calibration: windows })).rejects.toThrow(
      /needs --target-bytes/,
    );
    await expect(quantized({ from: untied, scheme: 'auto', targetBytes: 9e9 })).rejects.toThrow(
      /--calibration/,
    );
    expect(readdirSync(root).filter((name) => name.includes('quantizing'))).toEqual([]);
  });

  test('the steps that save most come first', () => {
    const parts = [
      {
        levels: [
          { bytes: 10, loss: 4 },
          { bytes: 20, loss: 1 },
          { bytes: 40, loss: 0 },
        ],
      },
      {
        levels: [
          { bytes: 10, loss: 100 },
          { bytes: 30, loss: 20 },
        ],
      },
      {
        levels: [
          { bytes: 10, loss: 0 },
          { bytes: 20, loss: 0 },
        ],
      },
    ];
    expect(chooseLevels(parts, 29)).toBeUndefined();
    expect(chooseLevels(parts, 30)).toEqual([0, 0, 0]);
    expect(chooseLevels(parts, 45)).toEqual([1, 0, 0]);
    expect(chooseLevels(parts, 50)).toEqual([0, 1, 0]);
    expect(chooseLevels(parts, 1000)).toEqual([2, 1, 0]);
  });
});

describe('a run that was ended', () => {
  const options = { bits: 4, groupSize: 64, calibration: windows } as const;

  test('goes on behind its last block, with the same bytes', async () => {
    const whole = await quantized({ from: untied, ...options });
    const to = join(root, 'ended');
    let seen = 0;
    class Ended extends Error {}
    // As a kill does: nothing is tidied up but what an error of the program itself would.
    const attempt = quantizeModel({
      ...options,
      ...{ from: untied, to },
      onProgress(done) {
        seen = done;
        if (done === 9) throw new Ended();
      },
    });
    await expect(attempt).rejects.toThrow(Ended);
    expect(seen).toBe(9);
    expect(existsSync(to)).toBe(false);
    const parts = readdirSync(join(root, '.ended.quantizing'));
    expect(parts).toContain('block-0.json');
    expect(parts).not.toContain('block-1.json');
    const counted: number[] = [];
    await quantizeModel({ ...options, from: untied, to, onProgress: (done) => counted.push(done) });
    // The first block is not computed again.
    expect(counted[0]).toBe(8);
    expect(
      readFileSync(join(to, 'model.safetensors')).equals(readFileSync(join(whole.to, 'model.safetensors'))),
    ).toBe(true);
    expect(existsSync(join(root, '.ended.quantizing'))).toBe(false);
  });

  test('another request begins anew', async () => {
    const to = join(root, 'other');
    const end = (done: number): void => {
      if (done === 9) throw new RangeError('ended');
    };
    await expect(quantizeModel({ ...options, from: untied, to, onProgress: end })).rejects.toThrow('ended');
    const counted: number[] = [];
    await quantizeModel({
      ...options,
      groupSize: 32,
      from: untied,
      to,
      onProgress: (done) => counted.push(done),
    });
    expect(counted[0]).toBe(1);
    const plain = await quantized({ from: untied, ...options, groupSize: 32 });
    expect(
      readFileSync(join(to, 'model.safetensors')).equals(readFileSync(join(plain.to, 'model.safetensors'))),
    ).toBe(true);
  });
});
