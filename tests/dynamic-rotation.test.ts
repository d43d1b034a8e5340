/** A dynamic rotary base of the Llama layout: each text has its own, alone, padded, packed, or in the engine. */
import { expect, test } from 'vitest';
import { generateIds } from '../src/generation/index.js';
import { type CausalLm, parseArchitecture } from '../src/models/index.js';
import { initializeModule } from '../src/nn/index.js';
import { cat, intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../src/tensor/index.js';
import { maxAbsDifference } from './support/golden.js';

const TRAINED = 16;

function dynamicModel(): CausalLm {
  const model = parseArchitecture(
    {
      model_type: 'llama',
      vocab_size: 60,
      hidden_size: 32,
      intermediate_size: 40,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: TRAINED,
      rope_scaling: { type: 'dynamic', factor: 3 },
    },
    'test',
  ).createModel();
  const rule = { kind: 'normal', std: 0.4 } as const;
  initializeModule(model, { rule, generator: new RandomGenerator(3), dtype: 'float64' });
  return model;
}

const someIds = (length: number, first: number): number[] =>
  Array.from({ length }, (_, index) => (first + index * 7) % 60);
const row = (ids: readonly number[]): Tensor => intTensor(ids, [1, ids.length]);

test('left-padded rows of two lengths beyond training: each as on its own', () =>
  scope(() => {
    const model = dynamicModel();
    const [long, short] = [someIds(41, 1), someIds(23, 5)];
    const pads = long.length - short.length;
    const inputIds = cat([row(long), row([...new Array<number>(pads).fill(0), ...short])]);
    const mask = cat([
      row(long.map(() => 1)),
      row([...new Array<number>(pads).fill(0), ...short.map(() => 1)]),
    ]);
    noGrad(() => {
      const both = model.forward(inputIds, { attentionMask: mask });
      const padded = both.narrow(0, 1, 1).narrow(1, pads, short.length);
      expect(maxAbsDifference(padded, model.forward(row(short)))).toBeLessThan(1e-10);
      expect(maxAbsDifference(both.narrow(0, 0, 1), model.forward(row(long)))).toBeLessThan(1e-10);
    });
  }));

test('documents of a packed row: each as on its own', () =>
  scope(() => {
    const model = dynamicModel();
    const texts = [someIds(20, 1), someIds(9, 5), someIds(33, 2)];
    noGrad(() => {
      const packed = model.forward(row(texts.flat()), { documents: [texts.map(({ length }) => length)] });
      let start = 0;
      for (const text of texts) {
        const part = packed.narrow(1, start, text.length);
        expect(maxAbsDifference(part, model.forward(row(text)))).toBeLessThan(1e-10);
        start += text.length;
      }
    });
  }));

test('generation beyond the length of training does not depend on left padding', () => {
  const model = dynamicModel();
  const prompt = someIds(12, 3);
  const attentionMask = [...new Array<number>(9).fill(0), ...prompt.map(() => 1)];
  const padded = { promptIds: [...new Array<number>(9).fill(0), ...prompt], attentionMask, maxNewTokens: 20 };
  const [plain, same] = generateIds(model, [{ promptIds: prompt, maxNewTokens: 20 }, padded]);
  expect(same?.ids).toEqual(plain?.ids);
  model.dispose();
});
