/** Every family, and all that may be told apart in a model, on two and four ranks against one process. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveAdapter } from '../src/checkpoint/index.js';
import { applyLora, initializeLora, type LoraOptions } from '../src/lora/index.js';
import { loadModel, parseArchitecture, saveModel } from '../src/models/index.js';
import { initializeModule } from '../src/nn/index.js';
import { noGrad, RandomGenerator, scope } from '../src/tensor/index.js';
import { type GenerationJob, GenerationRuns } from './support/generation-ranks.js';
import { goldenFolder, goldenModels } from './support/golden.js';

const runs = new GenerationRuns();
afterAll(() => runs.dispose());

const model = (name: string): string => `${goldenFolder}${name}`;
const random = new RandomGenerator(31);

/** A golden model with other shapes and random weights. */
async function changed(name: string, changes: object): Promise<string> {
  const config: unknown = JSON.parse(readFileSync(`${model(name)}/config.json`, 'utf8'));
  const architecture = parseArchitecture({ ...Object(config), ...changes }, name);
  const made = architecture.createModel();
  initializeModule(made, { rule: { kind: 'normal', std: 0.2 }, generator: random });
  const folder = join(mkdtempSync(join(runs.folder, 'model-')), name);
  await saveModel(folder, { model: made, architecture });
  return folder;
}

/** An adapter that changes something. */
function adapter(name: string, targets: RegExp, options: LoraOptions): string {
  const folder = mkdtempSync(join(runs.folder, 'adapter-'));
  const loaded = loadModel(model(name));
  scope(() => {
    for (const layer of applyLora(loaded.model, (path) => targets.test(path), options).values()) {
      initializeLora(layer, random);
      noGrad(() => {
        layer.loraB.add_(0.02);
        layer.loraMagnitude?.mul_(1.1);
        layer.loraBias?.add_(0.1);
      });
    }
  });
  saveAdapter(loaded.model, loaded.architecture.names, folder);
  return folder;
}

const dora: LoraOptions = { rank: 3, alpha: 12, dora: true };
const biased: LoraOptions = { rank: 3, alpha: 12, bias: true };
const quantised = { dtype: 'float32', keepIntegers: true } as const;

const plain: GenerationJob[] = goldenModels.map((name) => ({
  name,
  model: model(name),
  dtype: 'float64',
  // What is sampled is rounded to float32 before it is compared.
  within: 1e-6,
}));
const both: GenerationJob[] = [];
const two: GenerationJob[] = [];

beforeAll(async () => {
  two.push(
    ...[
      { name: 'narrow', model: model('xverse'), dtype: 'bfloat16', within: 0.1, isNarrow: true },
      {
        name: 'uneven-heads',
        model: await changed('qwen3', { num_attention_heads: 6, num_key_value_heads: 3 }),
        dtype: 'float64',
      },
      { name: 'odd', model: await changed('qwen2', { vocab_size: 321 }), dtype: 'float64' },
      { name: 'telechat-drafts', model: model('telechat-7b'), dtype: 'float32', maxDrafts: 3 },
      { name: 'dora-baked', model: model('llama'), dtype: 'float64', baked: adapter('llama', /./, dora) },
    ],
  );
  both.push(
    ...[
      { name: 'dora', model: model('llama'), dtype: 'float64', adapter: adapter('llama', /./, dora) },
      {
        name: 'biased',
        model: model('xverse'),
        dtype: 'float64',
        adapter: adapter('xverse', /Proj/, biased),
      },
      { name: 'baked', model: model('xverse'), dtype: 'float64', baked: adapter('xverse', /Proj/, biased) },
      {
        name: '52b-adapter',
        model: model('telechat-52b'),
        dtype: 'float64',
        adapter: adapter('telechat-52b', /./, dora),
      },
      { name: 'integers', model: model('quantised/llama-gqa/awq-4bit-g32'), ...quantised, within: 1e-4 },
    ],
  );
  await runs.run([...plain, ...both, ...two], 1);
  await runs.run([...plain, ...both, ...two], 2);
  await runs.run([...plain, ...both], 4);
}, 900_000);

describe.each([2, 4])('%i ranks', (ranks) => {
  test.each(plain)('$name', (job) => runs.expectAsAlone(job, ranks));

  test('what may be told apart', () => {
    for (const job of both) runs.expectAsAlone(job, ranks);
  });
});

test('what may be told apart on two ranks', () => {
  for (const job of two) runs.expectAsAlone(job, 2);
});

test('integers whose groups the ranks cannot share are refused by name', async () => {
  const folder = model('quantised/llama-gqa/gptq-4bit-g32-asym-act');
  const refused = runs.run([{ name: 'refused', model: folder, ...quantised }], 2);
  await expect(refused).rejects.toThrow(/o_proj.* groups of inputs, and so many ranks cannot share/);
}, 60_000);
