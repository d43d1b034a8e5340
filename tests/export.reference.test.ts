/** Exported graphs of every family in onnxruntime, against our own forward pass. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExportOnnxOptions, type ExportReport, exportOnnx } from '../src/export/index.js';
import { readJsonFile } from '../src/formats/index.js';
import { type CausalLm, loadModel } from '../src/models/index.js';
import { floatTensor, noGrad, scope } from '../src/tensor/index.js';
import { goldenFolder, goldenModels, sharedGoldenModels } from './support/golden.js';
import {
  logitsDifferenceOf,
  type OnnxOutcome,
  type OnnxText,
  runOnnx,
  runOurs,
} from './support/onnx-runs.js';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const python = referencePython('onnx');
const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A row of ids that differ, within every golden vocabulary. */
const row = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, index) => 3 + ((index * 7 + seed * 11) % 50));

/** Longer than the windows of the golden models, which are 8. */
const padded: OnnxText = { ids: [row(14, 1), row(14, 2)], padding: [0, 5], newTokens: 6 };
const short: OnnxText = { ids: [row(9, 3)], padding: [0], newTokens: 3 };
const prompt = (length: number): OnnxText => ({ ids: [row(length, 4)], padding: [0], newTokens: 0 });

interface ExportCase {
  readonly name: string;
  readonly model: string;
  readonly text: OnnxText;
  readonly options?: Omit<ExportOnnxOptions, 'model' | 'output'>;
  /** What our model has to become before it says the same. Default: it is as it is. */
  readonly ours?: (model: CausalLm) => void;
  /** Largest difference of logits. Default 1e-4. */
  readonly bound?: number;
}

const config = (model: string, name: string): string => join(goldenFolder, model, name);

const cases: readonly ExportCase[] = [
  ...[...goldenModels, ...sharedGoldenModels].map((model) => ({ name: model, model, text: padded })),
  { name: 'telechat3', model: 'telechat3', text: padded },
  {
    name: 'telechat-12b, whose scale grows with the length',
    model: 'telechat-12b',
    text: prompt(40),
    options: { config: config('telechat-12b', 'config_trainlen16.json') },
  },
  ...sharedGoldenModels
    .filter((model) => model.endsWith('llama-rope'))
    .flatMap((model) =>
      ['config_linear.json', 'config_yarn.json', 'config_yarn_attention_factor.json'].map((file) => ({
        name: `${model} ${file}`,
        model,
        text: padded,
        options: { config: config(model, file) },
      })),
    ),
  ...[18, 20, 22].flatMap((opset) =>
    ['spark', 'llama'].map((model) => ({
      name: `${model}, opset ${opset}`,
      model,
      text: short,
      options: { opset },
    })),
  ),
  {
    name: 'telechat-7b, weights beside it',
    model: 'telechat-7b',
    text: short,
    options: { externalData: true },
  },
  ...['spark', 'telechat-52b', 'llama', 'qwen3moe'].flatMap((model): ExportCase[] => [
    { name: `${model}, int8`, model, text: short, options: { dtype: 'int8' }, ours: roundToInt8 },
    // Products of float16 are rounded elsewhere by each program; logits are about 10.
    { name: `${model}, float16`, model, text: prompt(9), options: { dtype: 'float16' }, bound: 0.1 },
  ]),
];

/** Llama's golden weights in a folder that says TeleChat3. */
function makeTelechat3(): string {
  const made = join(folder, 'telechat3-model');
  mkdirSync(made);
  const llama = readJsonFile(config('llama', 'config.json'));
  writeFileSync(
    join(made, 'config.json'),
    JSON.stringify({ ...Object(llama), head_dim: 8, model_type: 'telechat3' }),
  );
  copyFileSync(config('llama', 'model.safetensors'), join(made, 'model.safetensors'));
  return made;
}

/** Every matrix with a scale for each output, by which its largest weight is 127. */
function roundToInt8(model: CausalLm): void {
  for (const [path, weight] of model.namedParameters()) {
    if (weight.numDims < 2) continue;
    const isTurned = /cAttn|cProj|cFc/.test(path);
    const rounded = noGrad(() =>
      scope(() => {
        const rows = isTurned ? weight.transpose(0, 1).contiguous() : weight;
        const values = rows.toFloat32Array();
        const width = rows.size(-1);
        for (let start = 0; start < values.length; start += width) {
          const part = values.subarray(start, start + width);
          const scale = Math.fround(Math.max(...part.map(Math.abs)) / 127);
          for (const [index, value] of part.entries()) part[index] = Math.round(value / scale) * scale;
        }
        const given = rows.clone().copy_(floatTensor(values, rows.shape));
        return isTurned ? given.transpose(0, 1) : given;
      }),
    );
    model.assign(path, rounded);
  }
}

describe('exported graphs', requiresPython(python, 'onnx'), () => {
  const reports = new Map<string, ExportReport>();
  let outcomes: readonly OnnxOutcome[] = [];
  const sourceOf = (model: string): string =>
    model === 'telechat3' ? join(folder, 'telechat3-model') : goldenFolder + model;

  beforeAll(async () => {
    if (python === undefined) return;
    makeTelechat3();
    for (const [index, { name, model, options }] of cases.entries())
      reports.set(
        name,
        await exportOnnx({ model: sourceOf(model), output: join(folder, `case-${index}`), ...options }),
      );
    const jobs = cases.map(({ name, text, options }) => {
      const { output = '', files = [] } = reports.get(name) ?? {};
      return { graph: join(output, files[0] ?? ''), asWritten: options?.dtype === 'int8', ...text };
    });
    outcomes = runOnnx(python, folder, jobs);
  }, 240_000);

  test.for(cases.map((exportCase, index) => ({ ...exportCase, index })))(
    '$name',
    ({ model, text, index, options, ours: prepare, bound = 1e-4 }) => {
      const theirs = outcomes[index];
      if (theirs === undefined) throw new Error('no outcome');
      const loaded = loadModel(sourceOf(model), { dtype: 'float32', configPath: options?.config });
      prepare?.(loaded.model);
      const ours = runOurs(loaded.model, text);
      loaded.model.dispose();
      expect(logitsDifferenceOf(ours, theirs, text)).toBeLessThanOrEqual(bound);
      expect(theirs.ids).toEqual(ours.ids);
      expect(theirs.idsWithoutPast).toEqual(ours.ids);
    },
  );
});
