/** A block over pages in one call, or with fused attention, gives the bits of its separate steps. */
import { afterEach, expect, it } from 'vitest';
import { initializeModule, PagedKvCache, rotaryTable } from '../../nn/index.js';
import {
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  type Tensor,
} from '../../tensor/index.js';
import type { ForwardContext } from '../causal-lm.js';
import { LlamaModel } from '../llama/model.js';

const equal = operator('aten::equal');
const base = 10000;

afterEach(() => setInvariantLinear(false));

it.each([
  { dtype: 'bfloat16', attention_bias: false },
  { dtype: 'float32', attention_bias: true },
] as const)('whole or in steps: $dtype, biases $attention_bias', ({ dtype, attention_bias }) => {
  const model = new LlamaModel({
    vocab_size: 50,
    hidden_size: 48,
    intermediate_size: 80,
    num_hidden_layers: 2,
    num_attention_heads: 6,
    num_key_value_heads: 2,
    head_dim: 8,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: base,
    tie_word_embeddings: true,
    attention_bias,
  });
  initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator: new RandomGenerator(3) });
  model.to({ dtype });
  setInvariantLinear(true);
  noGrad(() =>
    scope(() => {
      const run = (isPaged: boolean): Tensor[] => {
        const cache = new PagedKvCache({
          layers: 2,
          blocks: 3,
          numKvHeads: 2,
          headDim: 8,
          dtype,
          device: 'cpu',
        });
        const results = [
          [0, 18],
          [18, 1],
        ].map(([position = 0, count = 0]) => {
          const step = cache.prepare([{ count, position, blocks: [2, 0], keyTable: 0 }]);
          const rotary = rotaryTable({
            start: position,
            length: count,
            headDim: 8,
            base,
            dtype,
            device: 'cpu',
          });
          const context: ForwardContext = {
            rotary,
            attend: (layer, q, k, v) => cache.attend(layer, q, k, v, step),
            pagedLayer: isPaged ? (layer) => cache.layerOf(layer, rotary, step) : undefined,
          };
          let hidden = randn([1, count, 48], new RandomGenerator(position), { dtype });
          for (const [index, layer] of model.layers.entries()) hidden = layer.forward(hidden, context, index);
          return hidden;
        });
        cache.dispose();
        return results;
      };
      const steps = run(false);
      for (const [index, whole] of run(true).entries()) {
        const other = steps[index];
        expect(other !== undefined && equal(whole, other), `piece ${index}`).toBe(true);
      }
    }),
  );
  model.dispose();
});
