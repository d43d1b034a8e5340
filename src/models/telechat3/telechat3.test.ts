/** TeleChat3: the released config's rotation against its formula, its blocks against those of Llama, its names. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { openModelCheckpoint } from '../../checkpoint/index.js';
import { readConfigFile } from '../../config/index.js';
import { readView } from '../../formats/index.js';
import { rotaryTable } from '../../nn/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { convertModel } from '../convert/convert-model.js';
import { configValue } from '../family.js';
import { loadModel, parseArchitecture } from '../index.js';
import { telechat3MindSporeScheme } from './state-dict.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-telechat3-'));
afterAll(() => rmSync(folder, { recursive: true }));

const yarn = { factor: 4, original_max_position_embeddings: 8192, beta_fast: 32, beta_slow: 1 };
const TELECHAT3_YARN = { ...yarn, rope_type: 'telechat3-yarn', type: 'telechat3-yarn' };

/** The rotation of the 36B. */
const released = {
  model_type: 'telechat3',
  vocab_size: 32,
  hidden_size: 256,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 32_768,
  rope_theta: 1_000_000,
  rope_scaling: TELECHAT3_YARN,
};

test('cos and sin of the 36B at positions below and beyond its length of training', () => {
  const { base, divisors, scale } = parseArchitecture(released, 'x.json')
    .createModel()
    .rotaryParameters(32_768);
  // Turns of element j within the 8192 tokens: 8192 f_j / (2 pi). Whole elements between 32 turns and 1.
  const elementOf = (turns: number): number =>
    (64 * Math.log(8192 / (2 * Math.PI * turns))) / Math.log(1_000_000);
  const low = Math.floor(elementOf(32));
  const high = Math.ceil(elementOf(1));
  expect([low, high]).toEqual([17, 34]);
  const angleAt = (position: number, j: number): number => {
    const frequency = 1_000_000 ** (-j / 64);
    const stretched = Math.min(Math.max((j - low) / (high - low), 0), 1);
    return position * (stretched * (frequency / 4) + (1 - stretched) * frequency);
  };
  const mscale = 0.07 * Math.log(4) + 1;
  for (const position of [0, 5, 8191, 8192, 32_767]) {
    const table = scope(() => {
      const { cos, sin } = rotaryTable({
        start: position,
        length: 1,
        headDim: 128,
        base,
        divisors,
        ...(scale !== undefined && { scale }),
        dtype: 'float64',
        device: 'cpu',
      });
      return { cos: cos.toArray(), sin: sin.toArray() };
    });
    for (const j of [0, 1, 17, 18, 25, 33, 34, 63]) {
      expect(table.cos[j], `cos ${position} ${j}`).toBeCloseTo(Math.cos(angleAt(position, j)) * mscale, 9);
      expect(table.sin[64 + j], `sin ${position} ${j}`).toBeCloseTo(
        Math.sin(angleAt(position, j)) * mscale,
        9,
      );
    }
  }
});

/** A folder with Llama's golden weights, biases among them, under another config. */
function goldenLlamaAs(name: string, keys: Readonly<Record<string, unknown>>): string {
  const path = mkdtempSync(join(folder, name));
  const config = readConfigFile(`${goldenFolder}llama/config.json`);
  writeFileSync(join(path, 'config.json'), JSON.stringify({ ...Object(config), head_dim: 8, ...keys }));
  copyFileSync(`${goldenFolder}llama/model.safetensors`, join(path, 'model.safetensors'));
  return path;
}

function logitsAs(name: string, keys: Readonly<Record<string, unknown>>): Tensor {
  const { model, architecture } = loadModel(goldenLlamaAs(name, keys));
  expect(architecture.family).toBe(keys.model_type);
  const ids = Array.from({ length: 90 }, (_, at) => 6 + ((at * 37) % 300));
  return noGrad(() => model.forward(intTensor(ids, [1, ids.length])));
}

test("the weights of the golden Llama give Llama's logits, bit for bit", () =>
  scope(() => {
    const plain = logitsAs('plain-', { model_type: 'llama' });
    expect(logitsAs('same-', { model_type: 'telechat3' }).equals(plain)).toBe(true);
    // YaRN by Llama's keys, with TeleChat3's factor on cos and sin written out.
    const stretch = { max_position_embeddings: 256, rope_theta: 1_000_000 };
    const lengths = { factor: 4, original_max_position_embeddings: 64 };
    const attention_factor = 0.7 * 0.1 * Math.log(4) + 1;
    const ours = logitsAs('ours-', {
      ...stretch,
      model_type: 'telechat3',
      rope_scaling: { ...lengths, rope_type: 'telechat3-yarn' },
    });
    const byHand = logitsAs('hand-', {
      ...stretch,
      model_type: 'llama',
      rope_scaling: { ...lengths, rope_type: 'yarn', attention_factor },
    });
    const yarns = logitsAs('yarn-', {
      ...stretch,
      model_type: 'llama',
      rope_scaling: { ...lengths, rope_type: 'yarn' },
    });
    expect(ours.equals(byHand)).toBe(true);
    expect(ours.equals(yarns)).toBe(false);
    expect(ours.equals(plain)).toBe(false);
  }));

test("llama.cpp's own factor of YaRN is taken out of the scale; without a stretch it is llama.cpp's llama", () => {
  const stretched = parseArchitecture(released, 'x.json').gguf;
  expect(stretched).toMatchObject({ ropeScaling: { type: 'yarn', factor: 4, original: 8192 } });
  const attention = 'attentionFactor' in stretched ? stretched.attentionFactor : undefined;
  expect(attention).toBeCloseTo((0.07 * Math.log(4) + 1) / (0.1 * Math.log(4) + 1), 12);
  const { gguf } = parseArchitecture({ ...released, rope_scaling: null }, 'x.json');
  expect(gguf).toMatchObject({ architecture: 'llama', ropeBase: 1_000_000 });
});

test("to MindFormers' names and back, biases too, every tensor has the same bytes", async () => {
  const from = goldenLlamaAs('names-', { model_type: 'telechat3' });
  const configPath = join(from, 'config.json');
  const [ckpt, back] = [join(folder, 'telechat3.ckpt'), join(folder, 'back.safetensors')];
  await convertModel({ from, to: ckpt, names: 'mindspore', configPath });
  await convertModel({ from: ckpt, to: back, names: 'published', configPath });
  const bytesOf = (path: string) =>
    new Map(
      [...(openModelCheckpoint(path).ranks[0] ?? [])].map(([name, view]) => [
        name,
        Buffer.concat([...readView(view)]),
      ]),
    );
  const spelt = [...bytesOf(ckpt).keys()];
  expect(spelt).toContain('model.layers.1.attention.wq.bias');
  expect(spelt).toContain('model.layers.0.feed_forward.w3.weight');
  expect(bytesOf(back)).toEqual(bytesOf(from));
});

test('every parameter has a published name; those of the 1.8B are not known', () => {
  const biased = { ...released, attention_bias: true, mlp_bias: true };
  const { names, createModel, publishedConfig } = parseArchitecture(biased, 'x.json');
  expect(configValue(publishedConfig, 'attention_bias')).toBe(true);
  const paths = createModel()
    .namedParameters()
    .map(([path]) => path);
  expect(paths).toHaveLength(3 + 2 + 2 * 7);
  for (const path of paths) expect(names.fromPublished(names.toPublished(path)), path).toBe(path);
  // Of the 1.8B, whose embedding is narrower than its layers.
  expect(telechat3MindSporeScheme.knows('model.embedding_hidden_mapping_in.weight')).toBe(false);
});
