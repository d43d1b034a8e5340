/** What a family says of its model, against the published config and against the parameters themselves. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goldenFolder, goldenModels } from '../../tests/support/golden.js';
import { requiresShared } from '../../tests/support/requires.js';
import { sharedData } from '../../tests/support/shared-data.js';
import type { NameTable } from '../checkpoint/index.js';
import { LayerNorm, namedLinears, RmsNorm } from '../nn/index.js';
import { type Block, type CausalLm, loadArchitecture, type ModelShape, parseArchitecture } from './index.js';

/** Read off the published configs by hand. */
const PUBLISHED: Readonly<Record<string, ModelShape>> = {
  'tokenizers/telechat-12b/config.json': {
    numLayers: 38,
    numHeads: 32,
    numKvHeads: 32,
    headDim: 160,
    hiddenSize: 5120,
    intermediateSize: 12288,
    vocabSize: 120000,
    contextLength: 8192,
    maxPositions: undefined,
    tied: false,
    norm: 'rms',
  },
  'tokenizers/telechat-52b/config.json': {
    numLayers: 64,
    numHeads: 64,
    numKvHeads: 64,
    headDim: 128,
    hiddenSize: 8192,
    intermediateSize: 21824,
    vocabSize: 80896,
    contextLength: 4096,
    maxPositions: undefined,
    tied: false,
    norm: 'rms',
  },
  'recipes/spark/run_iflytekspark_13b_sft_800T_A2_64G.yaml': {
    numLayers: 40,
    numHeads: 40,
    numKvHeads: 40,
    headDim: 128,
    hiddenSize: 5120,
    intermediateSize: 14336, // half of ffn_hidden_size
    vocabSize: 60000,
    contextLength: 32768,
    maxPositions: 32768,
    tied: true,
    norm: 'layer',
  },
};

for (const [path, shape] of Object.entries(PUBLISHED)) {
  const found = sharedData(path);
  test(`the shape of ${path}`, requiresShared(found), () => {
    expect(loadArchitecture(found ?? '').shape).toEqual(shape);
  });
}

test('the shape of the published XVERSE-13B', () => {
  const config = {
    model_type: 'xverse',
    vocab_size: 100534,
    hidden_size: 5120,
    intermediate_size: 13824,
    num_hidden_layers: 40,
    num_attention_heads: 40,
    max_position_embeddings: 8192,
    rope_theta: 500_000,
  };
  expect(parseArchitecture(config, 'test').shape).toEqual({
    numLayers: 40,
    numHeads: 40,
    numKvHeads: 40,
    headDim: 128,
    hiddenSize: 5120,
    intermediateSize: 13824,
    vocabSize: 100534,
    contextLength: 8192,
    maxPositions: 8192,
    tied: false,
    norm: 'rms',
  });
});

function golden(folder: string): { shape: ModelShape; model: CausalLm; names: NameTable } {
  const config = ['config.json', 'model_config.yaml'].find((name) =>
    existsSync(`${goldenFolder}${folder}/${name}`),
  );
  const { shape, names, createModel } = loadArchitecture(`${goldenFolder}${folder}/${config}`);
  return { shape, model: createModel(), names };
}

/** Of a mixture of experts its parameters' shapes, by the end of their paths. */
function expertShapes(layer: Block): Record<string, readonly number[]> {
  return Object.fromEntries(
    layer.namedParameters().flatMap(([path, { shape }]) => {
      const [, name] = /^mlp\.(.*)\.weight$/.exec(path) ?? [];
      return name === undefined ? [] : [[name, shape]];
    }),
  );
}

function wantedExperts({ experts, hiddenSize }: ModelShape): Record<string, readonly number[]> {
  if (experts === undefined) throw new Error('a block without an MLP in a model without experts');
  const { count, intermediateSize } = experts;
  return {
    router: [count, hiddenSize],
    'experts.gateProj': [count, intermediateSize, hiddenSize],
    'experts.upProj': [count, intermediateSize, hiddenSize],
    'experts.downProj': [count, hiddenSize, intermediateSize],
  };
}

test.each(goldenModels)('%s: the parameters have the shape that the family tells', (folder) => {
  const { shape, model } = golden(folder);
  expect(model.shape).toEqual(shape);
  const { numLayers, numHeads, numKvHeads, headDim, hiddenSize, intermediateSize, vocabSize } = shape;
  expect(model.layers.length).toBe(numLayers);
  const parameters = new Map(model.namedParameters());
  expect(parameters.get('embedTokens.weight')?.shape).toEqual([vocabSize, hiddenSize]);
  expect(parameters.has('lmHead.weight')).toBe(!shape.tied);
  for (const layer of model.layers) {
    const linears = new Map(namedLinears(layer));
    const features = (side: 'inFeatures' | 'outFeatures', paths: readonly string[]) =>
      paths.map((path) => linears.get(path)?.[side] ?? Number.NaN);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const { attentionIn, attentionOut, mlpIn, mlpOut } = layer.linears;
    const ofMlp = mlpOut === undefined ? [] : [...mlpIn, mlpOut];
    expect([...attentionIn, attentionOut, ...ofMlp].toSorted()).toEqual([...linears.keys()].toSorted());
    expect(new Set(features('inFeatures', [...attentionIn, ...mlpIn]))).toEqual(new Set([hiddenSize]));
    expect(sum(features('outFeatures', attentionIn))).toBe((numHeads + 2 * numKvHeads) * headDim);
    expect(features('inFeatures', [attentionOut])).toEqual([numHeads * headDim]);
    expect(features('outFeatures', [attentionOut])).toEqual([hiddenSize]);
    if (mlpOut === undefined) {
      expect(mlpIn).toEqual([]);
      expect(expertShapes(layer)).toEqual(wantedExperts(shape));
      continue;
    }
    expect(sum(features('outFeatures', mlpIn))).toBe(2 * intermediateSize);
    expect(features('inFeatures', [mlpOut])).toEqual([intermediateSize]);
    expect(features('outFeatures', [mlpOut])).toEqual([hiddenSize]);
  }
  const norms = [...model.namedModules()].map(([, module]) => module);
  expect(norms.some((module) => module instanceof LayerNorm)).toBe(shape.norm === 'layer');
  expect(norms.some((module) => module instanceof RmsNorm)).toBe(shape.norm === 'rms');
});

test.each(goldenModels)('%s: every parameter is in one segment, a tied table in both ends', (folder) => {
  const { shape, model } = golden(folder);
  const segments = model.segments();
  expect(segments.map(({ name }) => name)).toEqual([
    'embedding',
    ...model.layers.map((_, index) => `layers.${index}`),
    'head',
  ]);
  for (const [path] of model.namedParameters()) {
    const owners = segments.filter(({ parameters }) => parameters.includes(path)).map(({ name }) => name);
    const block = /^layers\.\d+/.exec(path)?.[0];
    const ends =
      path === 'embedTokens.weight' ? (shape.tied ? ['embedding', 'head'] : ['embedding']) : ['head'];
    expect(owners, path).toEqual(block === undefined ? ends : [block]);
  }
});

test.each(goldenModels)('%s: the table of names and the model mean the same ends', (folder) => {
  const { shape, model, names } = golden(folder);
  const parameters = new Map(model.namedParameters());
  expect(names.isTied(parameters)).toBe(shape.tied);
  const { embedding = '', finalNorm, head } = names.ends ?? {};
  expect(model.ends.embedding).toEqual([embedding]);
  expect(model.ends.head).toEqual([finalNorm, shape.tied ? embedding : head]);
});
