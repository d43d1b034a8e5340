/** The published configs parse, to the sizes that are published; wrong keys are named. */
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { goldenFolder } from '../../tests/support/golden.js';
import { requiresShared } from '../../tests/support/requires.js';
import { sharedData } from '../../tests/support/shared-data.js';
import { readJsonFile } from '../formats/index.js';
import { loadArchitecture, parseArchitecture } from './index.js';

const indexSchema = z.object({
  metadata: z.object({ total_size: z.number() }),
  weight_map: z.record(z.string(), z.string()),
});

const recipes = sharedData('recipes/spark');
const tokenizers = sharedData('tokenizers');

test('every published Spark run file', requiresShared(recipes), () => {
  const files = readdirSync(recipes ?? '').filter((name) => name.endsWith('.yaml'));
  expect(files.length).toBeGreaterThanOrEqual(13);
  for (const file of files) {
    const architecture = loadArchitecture(`${recipes}/${file}`);
    expect(architecture, file).toMatchObject({
      family: 'spark',
      shape: { vocabSize: 60000 },
      padTokenId: 0,
    });
  }
});

test('Spark: run file, its model section, and the mapping in it are the same model', () => {
  const section = {
    type: 'IFlytekSparkConfig',
    vocab_size: 320,
    hidden_size: 64,
    ffn_hidden_size: 192,
    num_layers: 3,
    num_heads: 4,
  };
  for (const config of [section, { model_config: section }, { model: { model_config: section }, seed: 0 }]) {
    const { family, createModel } = parseArchitecture(config, 'test');
    expect(family).toBe('spark');
    expect(createModel()).toMatchObject({
      shape: { vocabSize: 320, maxPositions: 32768 },
      longestWindow: 8192,
    });
  }
});

test.each([
  { folder: 'telechat-12b', family: 'telechat' },
  { folder: 'telechat-52b', family: 'telechat52b' },
])(
  '$folder as published: config, tensor names and number of bytes agree',
  requiresShared(tokenizers),
  ({ folder, family }) => {
    const {
      family: recognised,
      names,
      createModel,
    } = loadArchitecture(`${tokenizers}/${folder}/config.json`);
    expect(recognised).toBe(family);
    const index = indexSchema.parse(readJsonFile(`${tokenizers}/${folder}/pytorch_model.bin.index.json`));
    const model = createModel();
    const published = Object.keys(index.weight_map).filter((name) => names.fromPublished(name) !== 'skip');
    expect(published.map((name) => names.fromPublished(name)).toSorted()).toEqual(
      model
        .namedParameters()
        .map(([own]) => own)
        .toSorted(),
    );
    const bufferBytes = 2 * (Object.keys(index.weight_map).length - published.length); // scalars
    expect(2 * model.parameterCount() + bufferBytes).toBe(index.metadata.total_size);
  },
);

test('TeleChat-7B as published: dropout rates, no tie_word_embeddings (tied)', () => {
  const config = {
    model_type: 'telechat',
    architectures: ['TelechatForCausalLM'],
    attention_dropout: 0.1,
    hidden_dropout: 0.1,
    hidden_size: 64,
    n_head: 4,
    n_layer: 1,
    n_inner: null,
    ffn_hidden_size: 160,
    vocab_size: 320,
  };
  const model = parseArchitecture(config, 'test').createModel();
  expect(model.namedParameters().map(([path]) => path)).not.toContain('lmHead.weight');
});

test('a misspelt key is named with its neighbour', () => {
  const { publishedConfig } = loadArchitecture(`${goldenFolder}telechat-52b/config.json`);
  expect(() => parseArchitecture({ ...Object(publishedConfig), n_inners: 7 }, 'x.json')).toThrow(
    /x\.json: n_inners: unknown key.*n_inner/,
  );
});

test.each(['telechat-12b', 'telechat-52b', 'xverse', 'llama', 'mistral', 'qwen2', 'qwen3'])(
  '%s: experts are refused by name',
  (folder) => {
    const { publishedConfig } = loadArchitecture(`${goldenFolder}${folder}/config.json`);
    expect(() => parseArchitecture({ ...Object(publishedConfig), num_experts: 8 }, 'x.json')).toThrow(
      /x\.json: num_experts: num_experts belongs to a mixture of experts, which is another model/,
    );
  },
);

test('the parameter names of every golden model go both ways', () => {
  for (const folder of ['spark', 'telechat-7b', 'telechat-12b', 'telechat-52b', 'xverse']) {
    const config = ['config.json', 'model_config.yaml'].find((name) =>
      existsSync(`${goldenFolder}${folder}/${name}`),
    );
    const { names, createModel } = loadArchitecture(`${goldenFolder}${folder}/${config}`);
    for (const [own] of createModel().namedParameters())
      expect(names.fromPublished(names.toPublished(own)), folder).toBe(own);
  }
});

test('buffers of published files are skipped, wherever they hang', () => {
  const spark = loadArchitecture(`${goldenFolder}spark/model_config.yaml`).names;
  expect(spark.fromPublished('transformer.get_attention_mask_train.attention_mask')).toBe('skip');
  expect(
    spark.fromPublished('transformer.transformer.layers.3.attention.core_attention.slice_sparse_mask'),
  ).toBe('skip');
  const telechat52b = loadArchitecture(`${goldenFolder}telechat-52b/config.json`).names;
  for (const name of ['h.0.attn.bias', 'h.11.attn.masked_bias', 'wpe.inv_freq'])
    expect(telechat52b.fromPublished(`transformer.${name}`), name).toBe('skip');
  expect(telechat52b.fromPublished('transformer.h.0.attn.c_attn.bias')).toBeUndefined();
});
