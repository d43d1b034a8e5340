/** What an export writes and refuses; that the graphs are right, onnxruntime says in tests/export.reference.test.ts. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { readJsonFile } from '../formats/index.js';
import { loadModel, saveModel } from '../models/index.js';
import { full } from '../tensor/index.js';
import { exportOnnx } from './export-onnx.js';
import type { ExportOnnxOptions } from './export-options.js';

// No family has an operator without a form: in this file LayerNorm, which Spark alone has, is one.
vi.mock('./onnx/operators/layers.js', async (load) => {
  const { layers } = await load<typeof import('./onnx/operators/layers.js')>();
  const { 'aten::layer_norm': _, ...others } = layers;
  return { layers: others };
});

const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-unit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** XVERSE's golden config with a base that grows beyond 64 tokens, for texts of up to 100. */
function dynamicConfig(): string {
  const file = join(folder, 'dynamic.json');
  const golden = readJsonFile(`${goldenFolder}xverse/config.json`);
  const rope_scaling = { rope_type: 'dynamic', factor: 2 };
  writeFileSync(file, JSON.stringify({ ...Object(golden), max_position_embeddings: 64, rope_scaling }));
  return file;
}

const refused = (options: Partial<ExportOnnxOptions>) =>
  exportOnnx({ model: `${goldenFolder}llama`, output: join(folder, 'refused'), ...options });

test('an operator without a form in ONNX is named, and nothing is written', async () => {
  await expect(refused({ model: `${goldenFolder}spark` })).rejects.toThrow(
    /spark: the operator aten::layer_norm of this spark model has no form in ONNX here; nothing was written/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test('what cannot be is refused before anything is written', async () => {
  await expect(refused({ opset: 16 })).rejects.toThrow('opset 16: give one from 17 to 22.');
  await expect(refused({ contextLength: 300 })).rejects.toThrow(
    'a context of 300 tokens; this model takes 256 at most',
  );
  await expect(refused({ model: join(folder, 'absent') })).rejects.toThrow(/no such model folder/);
  await expect(refused({ browserRuntime: folder })).rejects.toThrow(/npm pack onnxruntime-web/);
  expect(readdirSync(folder)).toEqual([]);
});

test('a weight that the dtype cannot hold is named, and nothing is left', async () => {
  const wide = join(folder, 'wide');
  const loaded = loadModel(`${goldenFolder}llama`);
  const { finalNorm } = loaded.model;
  loaded.model.assign('finalNorm.weight', full(finalNorm.weight.shape, 1e6));
  await saveModel(wide, loaded);
  loaded.model.assign('embedTokens.weight', full([320, 32], Number.NaN));
  const broken = join(folder, 'broken');
  await saveModel(broken, loaded);
  loaded.model.dispose();
  await expect(refused({ model: wide, dtype: 'float16' })).rejects.toThrow(
    'weight.finalNorm.weight: a weight is too large for float16',
  );
  await expect(refused({ model: broken, dtype: 'int8' })).rejects.toThrow(
    /embedTokens\.weight: a weight is NaN/,
  );
  expect(existsSync(join(folder, 'refused'))).toBe(false);
});

test('beside the graph lies what runtimes ask for', async () => {
  const model = join(folder, 'model');
  mkdirSync(model);
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(`${goldenFolder}telechat-12b/${file}`, join(model, file));
  copyFileSync(`${goldenFolder}tokenizers/spark_like/tokenizer.model`, join(model, 'tokenizer.model'));
  const output = join(folder, 'telechat');
  const report = await exportOnnx({ model, output, externalData: true, contextLength: 100 });
  expect(report).toMatchObject({
    family: 'telechat',
    files: ['onnx/model.onnx', 'onnx/model.onnx_data'],
    limits: [],
  });
  expect(readdirSync(output).sort()).toEqual(
    ['chat.html', 'config.json', 'genai_config.json', 'generation_config.json', 'onnx', 'page.json']
      .concat(['published_config.json', 'tokenizer.model'])
      .sort(),
  );
  expect(readJsonFile(join(output, 'config.json'))).toMatchObject({
    model_type: 'llama',
    num_hidden_layers: 3,
    num_key_value_heads: 4,
    max_position_embeddings: 100,
    'transformers.js_config': { dtype: 'fp32', use_external_data_format: true },
  });
  expect(readJsonFile(join(output, 'published_config.json'))).toMatchObject({ model_type: 'telechat' });
  expect(readJsonFile(join(output, 'genai_config.json'))).toMatchObject({
    model: { context_length: 100, decoder: { filename: 'onnx/model.onnx', head_size: 16 } },
  });
  // Two exports of one model are one and the same.
  const again = join(folder, 'again');
  await exportOnnx({ model, output: again, externalData: true, contextLength: 100 });
  for (const file of report.files)
    expect(readFileSync(join(again, file)).equals(readFileSync(join(output, file)))).toBe(true);
});

test('where a base grows with every token, the graph ends, and the report says so', async () => {
  const { limits, contextLength } = await exportOnnx({
    model: `${goldenFolder}xverse`,
    output: join(folder, 'dynamic'),
    config: dynamicConfig(),
    contextLength: 100,
  });
  expect(contextLength).toBe(64);
  expect(limits[0]).toMatch(
    /texts end at 64 tokens: its rotary base grows with the length of each text from 65 tokens on/,
  );
});
