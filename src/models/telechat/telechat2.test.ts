/** TeleChat2: its published sizes, grouped heads, and the length from which on the rotary base grows. */
import { expect, test } from 'vitest';
import { maxAbsDifference } from '../../../tests/support/golden.js';
import { initializeModule } from '../../nn/index.js';
import { cat, intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../../tensor/index.js';
import { parseArchitecture } from '../index.js';

const small = {
  model_type: 'telechat',
  hidden_size: 32,
  ffn_hidden_size: 40,
  n_layer: 2,
  n_head: 4,
  vocab_size: 60,
  tie_word_embeddings: false,
};

test('TeleChat2-115B has the bytes of its published index, in float32', () => {
  const { shape, createModel } = parseArchitecture(
    {
      model_type: 'telechat',
      hidden_size: 8192,
      ffn_hidden_size: 40960,
      n_layer: 96,
      n_head: 64,
      num_key_value_heads: 8,
      n_inner: null,
      layer_norm_epsilon: 1e-8,
      vocab_size: 131072,
      flash_attn: true,
      pretraining_tp: 2,
      training_seqlen: 8192,
      base_seqlen: 8192,
      seq_length: 8192,
      tie_word_embeddings: false,
    },
    'test',
  );
  expect(shape).toMatchObject({ numHeads: 64, numKvHeads: 8, headDim: 128 });
  expect(4 * createModel().parameterCount()).toBe(453_131_665_408);
});

test('shared heads compute as the same model with every head written out', () =>
  scope(() => {
    const grouped = parseArchitecture({ ...small, num_key_value_heads: 2 }, 'test').createModel();
    const rule = { kind: 'normal', std: 0.3 } as const;
    initializeModule(grouped, { rule, generator: new RandomGenerator(5), dtype: 'float64' });
    const whole = parseArchitecture(small, 'test').createModel();
    const written = new Map(grouped.namedParameters());
    for (const [path, { shape }] of whole.namedParameters()) {
      const own = written.get(path);
      if (own === undefined) throw new Error(path);
      // [K * 2 * E, D]: each head of keys and values for two heads of queries.
      const blocks = [0, 0, 1, 1].map((head): Tensor => own.narrow(0, head * 16, 16));
      whole.assign(path, own.shape.join() === shape.join() ? own.clone() : cat(blocks));
    }
    const ids = intTensor([3, 9, 27, 21, 3, 50, 11], [1, 7]);
    const logits = noGrad(() => [grouped, whole].map((model) => model.forward(ids)));
    const [a, b] = logits;
    if (a === undefined || b === undefined) throw new Error('two models');
    expect(maxAbsDifference(a, b)).toBeLessThan(1e-12);
  }));

test('the rotary base grows from base_seqlen on', () => {
  const baseAt = (length: number, keys: object): number =>
    parseArchitecture({ ...small, training_seqlen: 16, ...keys }, 'test')
      .createModel()
      .rotaryParameters(length).base;
  expect([16, 17, 33].map((length) => baseAt(length, { base_seqlen: 16 }))).toEqual(
    [1, 3, 7].map((alpha) => 10_000 * alpha ** (8 / 6)),
  );
  expect(baseAt(8192, {})).toBe(10_000);
});

test('heads that cannot be shared evenly are refused', () => {
  expect(() => parseArchitecture({ ...small, num_key_value_heads: 3 }, 'x.json')).toThrow(
    /num_key_value_heads: n_head must be a multiple/,
  );
});
