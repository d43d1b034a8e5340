/** Layers multiplied together give the bits that each gives by itself, in generation and in training. */
import { afterEach, expect, it } from 'vitest';
import {
  empty,
  grad,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  type Tensor,
} from '../tensor/index.js';
import { DenseLinear } from './linear.js';
import { attendProjected } from './paged-block.js';
import { PagedKvCache } from './paged-kv-cache.js';
import { projectTogether } from './project-together.js';
import { applyRotary, rotaryTable } from './rotary.js';

const equal = operator('aten::equal');

afterEach(() => setInvariantLinear(false));

function randomLayer(inputs: number, outputs: number, seed: number, options: object): DenseLinear {
  const layer = new DenseLinear(inputs, outputs, options);
  for (const [path, { shape }] of layer.namedParameters())
    layer.assign(path, randn(shape, new RandomGenerator(seed)));
  return layer;
}

it.each([
  { dtype: 'float32', rows: 1 },
  { dtype: 'bfloat16', rows: 1 },
  { dtype: 'bfloat16', rows: 7 },
  { dtype: 'bfloat16', rows: 70 },
  { dtype: 'float16', rows: 300 },
] as const)('gives the bits of each layer alone: $dtype, $rows rows', ({ dtype, rows }) => {
  const layers = [
    randomLayer(100, 37, 1, {}).to({ dtype }),
    randomLayer(100, 8, 2, { bias: true }).to({ dtype }),
    randomLayer(100, 301, 3, { bias: true }).to({ dtype }),
  ] as const;
  setInvariantLinear(true);
  noGrad(() =>
    scope(() => {
      const x = randn([1, rows, 100], new RandomGenerator(4), { dtype });
      for (const [index, together] of projectTogether(x, layers).entries())
        expect(equal(together, layers[index]?.forward(x) ?? empty([0])), `layer ${index}`).toBe(true);
    }),
  );
  for (const layer of layers) layer.dispose();
});

it('takes layers whose weights lie the other way by themselves', () => {
  const layers = [randomLayer(20, 6, 1, {}), randomLayer(20, 5, 2, { layout: 'in-out', bias: true })];
  setInvariantLinear(true);
  noGrad(() =>
    scope(() => {
      const x = randn([3, 20], new RandomGenerator(4));
      const outputs = projectTogether(x, layers);
      for (const [index, layer] of layers.entries())
        expect(equal(outputs[index] ?? empty([0]), layer.forward(x))).toBe(true);
    }),
  );
  for (const layer of layers) layer.dispose();
});

it('records gradients where training asks for them', () => {
  const layers = [randomLayer(20, 6, 1, {}), randomLayer(20, 6, 2, {})];
  scope(() => {
    const x = randn([3, 20], new RandomGenerator(4));
    x.setRequiresGrad(true);
    const sum = (outputs: readonly Tensor[]): Tensor =>
      outputs.map((y) => y.mul(y).sum()).reduce((total, y) => total.add(y));
    const [together] = grad([sum(projectTogether(x, layers))], [x]);
    const [apart] = grad([sum(layers.map((layer) => layer.forward(x)))], [x]);
    expect(equal(together ?? empty([0]), apart ?? empty([1]))).toBe(true);
  });
  for (const layer of layers) layer.dispose();
});

it('attends from the projections with the bits of the separate steps', () => {
  const [heads, kvHeads, headDim] = [6, 2, 16];
  noGrad(() =>
    scope(() => {
      for (const dtype of ['float32', 'bfloat16'] as const)
        for (const kvDType of [dtype, 'int8'] as const) {
          const caches = [0, 1].map(
            () =>
              new PagedKvCache({
                layers: 1,
                blocks: 4,
                numKvHeads: kvHeads,
                headDim,
                dtype: kvDType,
                device: 'cpu',
                window: 9,
              }),
          );
          const [first, second] = caches;
          if (first === undefined || second === undefined) throw new Error('two caches');
          for (const [position, count] of [
            [0, 20],
            [20, 1],
          ] as const) {
            const projected = (width: number, seed: number): Tensor =>
              randn([1, count, width * headDim], new RandomGenerator(seed + position), { dtype });
            const split = (x: Tensor): Tensor => x.view([1, count, -1, headDim]).transpose(1, 2);
            const [q, k, v] = [projected(heads, 1), projected(kvHeads, 2), projected(kvHeads, 3)];
            const rotary = rotaryTable({
              start: position,
              length: count,
              headDim,
              base: 1e4,
              dtype,
              device: 'cpu',
            });
            const row = [{ count, position, blocks: [2, 0], keyTable: 0 }];
            const joined = attendProjected(q, k, v, first.layerOf(0, rotary, first.prepare(row)));
            const apart = second
              .attend(
                0,
                applyRotary(split(q), rotary),
                applyRotary(split(k), rotary),
                split(v),
                second.prepare(row),
              )
              .transpose(1, 2)
              .reshape([1, count, -1]);
            expect(equal(joined, apart), `${dtype}, ${kvDType}, ${count} tokens`).toBe(true);
          }
          for (const cache of caches) cache.dispose();
        }
    }),
  );
});
