import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DenseLinear, type Linear } from '../nn/index.js';
import {
  type FloatDType,
  liveTensorCount,
  noGrad,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  Tensor,
  zeros,
} from '../tensor/index.js';
import { AdapterMapping, LoraLinear, type LoraOptions, type LoraUpdate, MultiLoraLinear } from './index.js';

const random = new RandomGenerator(23);
const [I, O] = [48, 40];

const adapters: readonly LoraOptions[] = [
  { rank: 2, alpha: 6 },
  { rank: 5, alpha: 5 },
  { rank: 3, alpha: 4, rankStabilized: true },
  { rank: 4, alpha: 7, dora: true },
];

/** Small whole numbers: sums of their products are exact in every order, so that products of other heights agree bit for bit. */
function values(shape: readonly number[], dtype: FloatDType): Tensor {
  return randn(shape, random).mul(2).to('int64').to(dtype);
}

function plainLinear(layout: 'out-in' | 'in-out', dtype: FloatDType): Linear {
  const base = new DenseLinear(I, O, { bias: true, layout });
  base.assign('weight', values(base.weight.shape, dtype));
  base.assign('bias', values([O], dtype));
  return base;
}

type Matrices = LoraUpdate & { readonly loraA: Tensor; readonly loraB: Tensor };

/** Matrices in float32, as adapters are mostly saved. */
function updateOf(options: LoraOptions): Matrices {
  return {
    options,
    loraA: values([options.rank, I], 'float32'),
    loraB: values([O, options.rank], 'float32'),
    loraMagnitude: options.dora === true ? values([O], 'float32').abs().add(1) : undefined,
  };
}

/** The layer as it is with this adapter and no other. */
function alone(base: Linear, { options, loraA, loraB, loraMagnitude }: Matrices): LoraLinear {
  const layer = new LoraLinear(base, options);
  layer.assign('loraA', loraA.clone());
  layer.assign('loraB', loraB.clone());
  if (loraMagnitude !== undefined) layer.assign('loraMagnitude', loraMagnitude.clone());
  return layer;
}

const cases = (['out-in', 'in-out'] as const).flatMap((layout) =>
  (['float64', 'float32', 'bfloat16'] as const).map((dtype) => ({ layout, dtype })),
);

describe.each(cases)('$layout, $dtype', ({ layout, dtype }) => {
  const base = plainLinear(layout, dtype);
  const rows = new AdapterMapping();
  const layer = new MultiLoraLinear(base, rows);
  const updates = adapters.map(updateOf);
  const references = updates.map((update) => alone(base, update));
  for (const [index, update] of updates.entries()) layer.attach(index, update);

  /** What each row is to be: that of its adapter alone, computed for the whole batch. */
  function expected(x: Tensor): Tensor[] {
    return [...references, base].map((reference) => reference.forward(x));
  }

  /** Rows that differ from what they are to be. */
  function wrongRows(x: Tensor, adapterOfRow: readonly (number | undefined)[]): number[] {
    return scope(() => {
      rows.setRows(adapterOfRow);
      const y = layer.forward(x);
      const wanted = expected(x);
      return adapterOfRow.flatMap((adapter, row) => {
        const right = wanted[adapter ?? references.length];
        const isRight = right?.select(1, row).equals(y.select(1, row)) === true;
        return isRight ? [] : [row];
      });
    });
  }

  test('any mixture of rows: each is what its adapter gives alone, the others are the base', () => {
    const choice = fc.option(fc.integer({ min: 0, max: adapters.length - 1 }), { nil: undefined });
    const runs = fc.array(fc.tuple(choice, fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(runs, (mixture) => {
        const adapterOfRow = mixture.flatMap(([adapter, length]) =>
          new Array<number | undefined>(length).fill(adapter),
        );
        scope(() => {
          expect(wrongRows(values([1, adapterOfRow.length, I], dtype), adapterOfRow)).toEqual([]);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('one adapter for all rows, of any leading dimensions; other numbers of rows are refused', () => {
    scope(() => {
      const x = values([2, 3, I], dtype);
      for (const [adapter, reference] of references.entries()) {
        rows.setRows(new Array<number>(6).fill(adapter));
        expect(layer.forward(x).equals(reference.forward(x))).toBe(true);
        expect(() => layer.forward(x.narrow(0, 0, 1))).toThrow('3 rows, but the adapters were told for 6');
      }
      rows.setRows([0, 1, 0, undefined, 1, 0]);
      const flat = layer.forward(x.reshape([1, 6, I]));
      expect(layer.forward(x).equals(flat.reshape([2, 3, O]))).toBe(true);
      rows.clear();
      expect(layer.forward(x).equals(base.forward(x))).toBe(true);
      rows.setRows([undefined, undefined]);
      expect(layer.forward(x).equals(base.forward(x))).toBe(true);
    });
  });

  test('a layer that an adapter does not touch is the base to it', () => {
    scope(() => {
      const other = new MultiLoraLinear(base, rows);
      const update = updates[1];
      if (update === undefined) throw new Error('no adapter');
      other.attach(1, update);
      const x = values([1, 4, I], dtype);
      rows.setRows([0, 1, 1, undefined]);
      const y = other.forward(x);
      const wanted = [base, references[1], references[1], base];
      for (const [row, reference] of wanted.entries())
        expect(reference?.forward(x).select(1, row).equals(y.select(1, row))).toBe(true);
      other.detach(1);
    });
  });
});

describe.each(cases)(
  'with products whose rows do not feel each other: $layout, $dtype',
  ({ layout, dtype }) => {
    beforeAll(() => setInvariantLinear(true));
    afterAll(() => setInvariantLinear(false));

    test('each row is what its adapter gives it as the only row', () =>
      noGrad(() =>
        scope(() => {
          const real = (shape: readonly number[], of: FloatDType): Tensor => randn(shape, random).to(of);
          const base = plainLinear(layout, dtype);
          base.assign('weight', real(base.weight.shape, dtype));
          const rows = new AdapterMapping();
          const layer = new MultiLoraLinear(base, rows);
          const references = adapters.map((options, index) => {
            const update = {
              ...updateOf(options),
              loraA: real([options.rank, I], 'float32'),
              loraB: real([O, options.rank], 'float32'),
            };
            layer.attach(index, update);
            return alone(base, update);
          });
          const adapterOfRow = Array.from(
            { length: 33 },
            (_, row) => [0, 0, 1, undefined, 3, 3, 2][(row * row) % 7],
          );
          rows.setRows(adapterOfRow);
          const x = real([1, adapterOfRow.length, I], dtype);
          const y = layer.forward(x);
          const wrong = adapterOfRow.flatMap((adapter, row) => {
            const only = (references[adapter ?? -1] ?? base).forward(x.narrow(1, row, 1));
            return only.equals(y.narrow(1, row, 1)) ? [] : [row];
          });
          expect(wrong).toEqual([]);
          rows.clear();
          layer.dispose();
        }),
      ));
  },
);

test('in place of its base a model sees the same parameters; adapters are freed one by one', () => {
  const base = plainLinear('out-in', 'float32');
  const rows = new AdapterMapping();
  const layer = new MultiLoraLinear(base, rows);
  const before = liveTensorCount();
  scope(() => {
    for (const [index, options] of adapters.entries()) layer.attach(index, updateOf(options));
  });
  expect(layer.namedParameters().map(([path]) => path)).toEqual(['weight', 'bias']);
  layer.assign('bias', zeros([O]));
  expect(scope(() => base.bias?.sum().item())).toBe(0);
  expect(liveTensorCount() - before).toBe(2 * adapters.length + 2); // DoRA has two factors beside its matrices.
  layer.detach(3);
  expect(liveTensorCount() - before).toBe(6);
  expect(layer.adapters).toEqual([0, 1, 2]);
  scope(() => {
    const x = values([1, 8, I], 'float32');
    rows.setRows([0, 1, 0, 2, 2, undefined, 1, 1]);
    for (let pass = 0; pass < 3; pass++) layer.forward(x);
  });
  rows.clear();
  expect(liveTensorCount() - before).toBe(6);
  layer.dispose();
  expect(liveTensorCount() - before).toBe(-2); // The base's two are gone too.
});

test('rows of one adapter are one product, and none of it where nobody uses one', () => {
  const rows = new AdapterMapping();
  rows.setRows([undefined, 3, 3, undefined, 5]);
  expect(rows.groups).toEqual([
    { adapter: 3, rows: { start: 1, length: 2 } },
    { adapter: 5, rows: { start: 4, length: 1 } },
  ]);
  rows.setRows([2, 2]);
  expect(rows.groups).toEqual([{ adapter: 2, rows: 'all' }]);
  rows.setRows([1, undefined, 1]);
  const [group] = rows.groups;
  expect(group?.rows instanceof Tensor ? group.rows.toArray() : group).toEqual([0, 2]);
  rows.setRows([undefined]);
  expect(rows.groups).toEqual([]);
  rows.clear();
});
