/** config.json as transformers writes it today: keys that mean nothing, keys at the one value that means nothing. */
import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { requires } from '../../tests/support/requires.js';
import { sharedCases } from '../../tests/support/shared-cases.js';
import { configValue } from './family.js';
import { loadArchitecture, parseArchitecture } from './index.js';
import { dynamicNtkBase } from './ntk.js';

const cases = sharedCases('config');

test.each(['xverse_saved_by_transformers_5', 'xverse_ropescale_null', 'xverse_nulleos'])(
  '%s.json is XVERSE-13B-2 with the base that it names',
  requires(cases !== undefined, '../shared/cases is absent'),
  (name) => {
    const architecture = loadArchitecture(`${cases}/${name}.json`);
    expect(architecture).toMatchObject({
      family: 'xverse',
      shape: { vocabSize: 100534, maxPositions: 8192 },
    });
    expect(architecture.createModel().rotaryParameters(8192)).toEqual({ base: 500000 });
    expect(architecture.eosTokenIds).toEqual(name === 'xverse_nulleos' ? [] : [3]);
  },
);

const goldens = ['xverse', 'telechat-7b', 'telechat-52b'].map((folder) => `${folder}/config.json`);
const files = [...goldens, 'spark/model_config.yaml'];

function withKeys(file: string, keys: Record<string, unknown>): unknown {
  const { publishedConfig } = loadArchitecture(`${goldenFolder}${file}`);
  // Spark's lies in a section.
  const section = configValue(configValue(publishedConfig, 'model'), 'model_config') ?? publishedConfig;
  return { ...Object(section), ...keys };
}

describe.each(files)('%s', (file) => {
  test.each<[string, unknown]>([
    ['dtype', 'bfloat16'],
    ['torch_dtype', null],
    ['rope_scaling', null],
    ['rope_scaling', { rope_type: 'default' }],
    ['quantization_config', null],
    ['sliding_window', null],
    ['use_sliding_window', false],
    ['layer_types', ['full_attention', 'full_attention']],
    ['is_encoder_decoder', false],
    ['pruned_heads', {}],
    ['id2label', { '0': 'LABEL_0' }],
    ['num_beams', 1],
    ['return_dict', true],
    ['bos_token_id', null],
    ['pad_token_id', null],
    ['eos_token_id', null],
    ['transformers_version', '5.1.0'],
  ])('%s: %j means nothing', (key, value) => {
    const plain = parseArchitecture(withKeys(file, {}), 'x.json');
    const { shape, createModel } = parseArchitecture(withKeys(file, { [key]: value }), 'x.json');
    expect(shape).toEqual(plain.shape);
    for (const length of [5, 100_000])
      expect(createModel().rotaryParameters(length)).toEqual(plain.createModel().rotaryParameters(length));
  });

  test.each<[string, unknown]>([
    ['rope_scaling', { rope_type: 'linear', factor: 2 }],
    ['rope_scaling', { type: 'yarn', factor: 4 }],
    ['quantization_config', { bits: 4 }],
    ['sliding_window', 4096],
    ['layer_types', ['sliding_attention']],
    ['is_encoder_decoder', true],
    ['partial_rotary_factor', 0.5],
    ['eos_token_id', []],
    ['pruned_heads', { '0': [1] }],
  ])('%s: %j is another model', (key, value) => {
    expect(() => parseArchitecture(withKeys(file, { [key]: value }), 'x.json')).toThrow(new RegExp(key));
  });

  test('several end tokens: all end an answer, the first is learned', () => {
    const { eosTokenId, eosTokenIds } = parseArchitecture(withKeys(file, { eos_token_id: [3, 5] }), 'x.json');
    expect({ eosTokenId, eosTokenIds }).toEqual({ eosTokenId: 3, eosTokenIds: [3, 5] });
  });
});

describe('XVERSE', () => {
  const xverse = (keys: Record<string, unknown>) =>
    parseArchitecture(withKeys('xverse/config.json', keys), 'x.json');
  const heads = Number(configValue(withKeys('xverse/config.json', {}), 'num_attention_heads'));

  test('keys of a Llama at the values at which they mean nothing', () => {
    const keys = { attention_bias: false, mlp_bias: false, attention_dropout: 0, pretraining_tp: 1 };
    expect(xverse({ ...keys, num_key_value_heads: heads }).shape).toEqual(xverse({}).shape);
    for (const key of ['attention_bias', 'mlp_bias'])
      expect(() => xverse({ [key]: true })).toThrow(new RegExp(key));
    expect(() => xverse({ num_key_value_heads: 1 })).toThrow(
      /num_key_value_heads: must be num_attention_heads/,
    );
    expect(() => xverse({ head_dim: 3 })).toThrow(/head_dim: must be hidden_size/);
    expect(() => xverse({ attention_dropout: 0.1 })).toThrow(/attention_dropout/);
  });

  test('rope_parameters of transformers 5 name the base; a contradiction is refused', () => {
    const rope_parameters = { rope_type: 'default', rope_theta: 7000 };
    expect(xverse({ rope_theta: undefined, rope_parameters }).createModel().rotaryParameters(9)).toEqual({
      base: 7000,
    });
    expect(() => xverse({ rope_theta: 6000, rope_parameters })).toThrow(
      /rope_theta is given as 6000 and as 7000/,
    );
    expect(() => xverse({ rope_scaling: { rope_type: 'dynamic' } })).toThrow(/needs a factor/);
  });

  const sizes = {
    model_type: 'xverse',
    vocab_size: 100_534,
    hidden_size: 5120,
    intermediate_size: 13_824,
    num_hidden_layers: 40,
    num_attention_heads: 40,
    max_position_embeddings: 32_768,
  };

  test.each([
    [{ ...sizes, _name_or_path: 'xverse/XVERSE-13B-256K' }, 'x.json'],
    [
      { ...sizes, auto_map: { AutoConfig: 'xverse/XVERSE-13B-256K--configuration_xverse.XverseConfig' } },
      'x.json',
    ],
    [sizes, '/models/XVERSE-13B-256K/config.json'],
  ])(
    'XVERSE-13B-256K by its name: base 500000, dynamic NTK beyond the length of training',
    (config, source) => {
      const architecture = parseArchitecture(config, source);
      expect(architecture.shape.maxPositions).toBeUndefined();
      const model = architecture.createModel();
      expect(model.rotaryParameters(32_768)).toEqual({ base: 500_000 });
      // alpha = 65536 / 16384 - 1 = 3, d = 128.
      expect(model.rotaryParameters(65_536).base).toBeCloseTo(500_000 * 3 ** (128 / 126), 6);
      // Saved under any name it stays that model.
      const again = parseArchitecture(architecture.publishedConfig, 'out/config.json').createModel();
      expect(again.rotaryParameters(262_144)).toEqual(model.rotaryParameters(262_144));
    },
  );

  test('another vocabulary without base and name is refused, XVERSE-13B and -2 are not', () => {
    expect(() => parseArchitecture(sizes, 'x.json')).toThrow(
      /x\.json: a vocabulary of 100534 .* XVERSE-13B-256K/,
    );
    for (const [config, source] of [
      [{ ...sizes, vocab_size: 100_278 }, 'x.json'],
      [sizes, 'XVERSE-13B-2/config.json'],
    ] as const)
      expect(parseArchitecture(config, source).createModel().rotaryParameters(9)).toEqual({ base: 10_000 });
  });
});

test('dynamic NTK begins without a step', () => {
  const at = (length: number): number => dynamicNtkBase(10_000, 128, length, { factor: 2, trained: 4096 });
  expect(at(4096)).toBe(10_000);
  expect(at(4097) / 10_000).toBeCloseTo(1, 2);
});
