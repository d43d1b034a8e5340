/** Exported graphs in onnxruntime: rotations, dtypes, opsets, weights beside the graph; and a real model. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { exportOnnx } from '../src/export/index.js';
import { readJsonFile } from '../src/formats/index.js';
import type { CausalLm } from '../src/models/index.js';
import { floatTensor, noGrad, scope } from '../src/tensor/index.js';
import { configOf, describeExports, type ExportCase, padded, prompt, short } from './support/export-cases.js';
import { sharedGoldenModels } from './support/golden.js';
import { runOnnx } from './support/onnx-runs.js';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';
import { requiresSmolLm2, smolLm2Expected, smolLm2Path } from './support/smollm2.js';

const telechat3 = makeTelechat3();
afterAll(() => rmSync(telechat3, { recursive: true }));

const cases: readonly ExportCase[] = [
  ...sharedGoldenModels.map((model) => ({ name: model, model, text: padded })),
  { name: 'telechat3', model: telechat3, text: padded },
  {
    name: 'telechat-12b, whose scale grows with the length',
    model: 'telechat-12b',
    text: prompt(40),
    options: { config: configOf('telechat-12b', 'config_trainlen16.json') },
  },
  ...sharedGoldenModels
    .filter((model) => model.endsWith('llama-rope'))
    .flatMap((model) =>
      ['config_linear.json', 'config_yarn.json', 'config_yarn_attention_factor.json'].map((file) => ({
        name: `${model} ${file}`,
        model,
        text: padded,
        options: { config: configOf(model, file) },
      })),
    ),
  // At one go: what the cache holds was computed with the base of its time, as published.
  ...[4094, 4100].map((length) => ({
    name: `telechat-52b, ${length} tokens: its base grows at 4097`,
    model: 'telechat-52b',
    text: prompt(length),
    options: { contextLength: 9000 },
  })),
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
  const made = mkdtempSync(join(tmpdir(), 'xinghe-telechat3-'));
  const llama = readJsonFile(configOf('llama', 'config.json'));
  writeFileSync(
    join(made, 'config.json'),
    JSON.stringify({ ...Object(llama), head_dim: 8, model_type: 'telechat3' }),
  );
  copyFileSync(configOf('llama', 'model.safetensors'), join(made, 'model.safetensors'));
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

describeExports(cases);

const python = referencePython('onnx');

describe('SmolLM2', requiresPython(python, 'onnx'), () => {
  test('answers as in transformers', { ...requiresSmolLm2, timeout: 300_000 }, async () => {
    if (python === undefined) return;
    const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-smollm2-'));
    const output = join(folder, 'exported');
    const { files } = await exportOnnx({ model: smolLm2Path, output, externalData: true });
    const { chat } = smolLm2Expected();
    const jobs = chat.map(({ prompt_ids: ids, new_ids: answer }) => ({
      graph: join(output, files[0] ?? ''),
      ids: [ids],
      padding: [0],
      newTokens: answer.length,
      leavesLogits: true,
    }));
    const outcomes = runOnnx(python, folder, jobs);
    rmSync(folder, { recursive: true });
    expect(outcomes.map(({ ids }) => ids[0])).toEqual(chat.map(({ new_ids: answer }) => answer));
  });
});
