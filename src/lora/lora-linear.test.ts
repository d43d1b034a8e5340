import { describe, expect, test } from 'vitest';
import { InputError } from '../errors/index.js';
import { DenseLinear, type Linear, Module, parameter } from '../nn/index.js';
import {
  type FloatDType,
  floatTensor,
  grad,
  liveTensorCount,
  noGrad,
  ones,
  RandomGenerator,
  randn,
  scope,
  type Tensor,
} from '../tensor/index.js';
import {
  applyLora,
  initializeLora,
  LoraLinear,
  type LoraOptions,
  learningRateFactors,
  loraLayers,
  mergeLora,
  withoutAdapters,
} from './index.js';
import { rowNorms } from './row-norms.js';

const LORA = { rank: 2, alpha: 6 };
const variants: readonly (readonly [string, LoraOptions])[] = [
  ['LoRA', LORA],
  ['rsLoRA', { ...LORA, rankStabilized: true }],
  ['DoRA', { ...LORA, dora: true }],
];
const layouts = ['out-in', 'in-out'] as const;

class Holder extends Module {
  constructor(readonly layer: Linear) {
    super();
  }
}

/** A quantised layer as one may be written: 8-bit weights, a scale for each output. */
class Int8Linear extends DenseLinear {
  scales: Tensor; // [O]

  constructor(inFeatures: number, outFeatures: number, bias: boolean) {
    super(inFeatures, outFeatures, { bias });
    this.scales = parameter(outFeatures);
  }

  override dequantizedWeight(): Tensor {
    return this.weight.to(this.scales.dtype).mul(this.scales.unsqueeze(1));
  }

  override forward(x: Tensor): Tensor {
    const y = x.matmul(this.dequantizedWeight().transpose(0, 1));
    return this.bias === undefined ? y : y.add(this.bias);
  }
}

const random = new RandomGenerator(17);

function values(shape: readonly number[], dtype: FloatDType = 'float64'): Tensor {
  return randn(shape, random).to(dtype);
}

function plainLinear(layout: 'out-in' | 'in-out', dtype: FloatDType = 'float64'): Linear {
  const base = new DenseLinear(6, 4, { bias: true, layout });
  base.assign('weight', values(base.weight.shape, dtype));
  base.assign('bias', values([4], dtype));
  return base;
}

function int8Linear(): Int8Linear {
  const base = new Int8Linear(6, 4, true);
  base.assign('weight', values([4, 6]).mul(40).to('int8'));
  base.assign('scales', values([4]).abs().add(0.1));
  base.assign('bias', values([4]));
  return base;
}

/** With an adapter that changes something. */
function adapted(base: Linear, options: LoraOptions, dtype: FloatDType = 'float64'): LoraLinear {
  const layer = new LoraLinear(base, options);
  initializeLora(layer, random, dtype);
  noGrad(() => {
    layer.loraB.add_(0.3);
    layer.loraMagnitude?.mul_(1.2);
  });
  return layer;
}

function difference(a: Tensor, b: Tensor): number {
  return a.to('float64').sub(b.to('float64')).abs().max().item();
}

describe.each(variants)('%s', (_, options) => {
  test.each(layouts)('a new adapter changes nothing, a merged one computes the same (%s)', (layout) => {
    const model = new Holder(plainLinear(layout));
    const x = values([3, 6]);
    const before = model.layer.forward(x);
    const [layer] = applyLora(model, () => true, options).values();
    if (layer === undefined) throw new Error('no adapter');
    initializeLora(layer, random, 'float64');
    expect(model.layer.forward(x).equals(before)).toBe(true);
    noGrad(() => {
      layer.loraB.add_(0.3);
      layer.loraMagnitude?.mul_(1.2);
    });
    const trained = model.layer.forward(x);
    expect(difference(trained, before)).toBeGreaterThan(0.1);
    mergeLora(model);
    expect(model.layer).toBeInstanceOf(DenseLinear);
    expect(model.layer.weight.shape).toEqual(layout === 'out-in' ? [4, 6] : [6, 4]);
    expect(difference(model.layer.forward(x), trained)).toBeLessThan(1e-12);
    expect(model.namedParameters().map(([path]) => path)).toEqual(['layer.weight', 'layer.bias']);
  });

  test('on a quantised layer: paths stay, forward, gradients and merge are those of the dense weight', () => {
    const quantised = int8Linear();
    const dense = new DenseLinear(6, 4, { bias: true });
    dense.assign('weight', quantised.dequantizedWeight());
    dense.assign('bias', quantised.bias ?? values([4]));
    const model = new Holder(quantised);
    const layer = adapted(quantised, options);
    const reference = new LoraLinear(dense, options);
    for (const part of ['loraA', 'loraB', 'loraMagnitude'] as const) {
      const tensor = layer[part];
      if (tensor !== undefined) reference.assign(part, tensor.clone());
    }
    model.replaceModule('layer', layer);
    expect(model.namedParameters().map(([path]) => path)).toEqual([
      ...['loraA', 'loraB', ...(options.dora === true ? ['loraMagnitude'] : [])].map(
        (part) => `layer.${part}`,
      ),
      ...['layer.weight', 'layer.bias', 'layer.scales'],
    ]);
    const x = values([3, 6]);
    const gradients = (one: LoraLinear): (Tensor | null)[] => {
      for (const tensor of one.adapterParameters) tensor.setRequiresGrad(true);
      const found = grad([one.forward(x).sum()], one.adapterParameters);
      for (const tensor of one.adapterParameters) tensor.setRequiresGrad(false);
      return found;
    };
    expect(difference(layer.forward(x), reference.forward(x))).toBeLessThan(1e-12);
    const theirs = gradients(reference);
    for (const [index, gradient] of gradients(layer).entries()) {
      const other = theirs[index];
      if (gradient === null || other === null || other === undefined) throw new Error('no gradient');
      expect(difference(gradient, other)).toBeLessThan(1e-12);
    }
    model.assign('layer.scales', quantised.scales.mul(1.5));
    expect(difference(layer.forward(x), reference.forward(x))).toBeGreaterThan(0.1);
    const trained = layer.forward(x);
    mergeLora(model);
    expect(difference(model.layer.forward(x), trained)).toBeLessThan(1e-12);
    expect(model.namedParameters().map(([path]) => path)).toEqual(['layer.weight', 'layer.bias']);
  });

  test('16-bit weights with float32 matrices give 16-bit outputs near the exact ones', () => {
    const wide = plainLinear('out-in', 'float32');
    const narrow = new DenseLinear(6, 4, { bias: true });
    narrow.assign('weight', wide.weight.to('bfloat16'));
    narrow.assign('bias', values([4], 'bfloat16'));
    const layer = adapted(narrow, options, 'float32');
    const exact = new DenseLinear(6, 4, { bias: true });
    exact.assign('weight', narrow.weight.to('float64'));
    if (narrow.bias !== undefined) exact.assign('bias', narrow.bias.to('float64'));
    const reference = new LoraLinear(exact, options);
    for (const part of ['loraA', 'loraB', 'loraMagnitude'] as const) {
      const tensor = layer[part];
      if (tensor !== undefined) reference.assign(part, tensor.to('float64'));
    }
    const x = values([5, 6], 'bfloat16');
    const y = layer.forward(x);
    expect(y.dtype).toBe('bfloat16');
    const expected = reference.forward(x.to('float64'));
    expect(difference(y, expected) / expected.abs().max().item()).toBeLessThan(0.02);
    const merged = layer.mergedWeight();
    expect(merged.dtype).toBe('bfloat16');
    const size = merged.abs().to('float64').max().item();
    expect(difference(merged, reference.mergedWeight()) / size).toBeLessThan(0.005);
  });

  test('tensors: none stays behind a forward pass, a merge or a disposal', () => {
    const x = values([3, 6]);
    const alive = liveTensorCount();
    const wrapped = (): LoraLinear => scope(() => adapted(plainLinear('out-in'), options));
    const run = (layer: LoraLinear): void => {
      scope(() => {
        layer.forward(x);
      });
    };
    const layer = wrapped();
    const model = new Holder(layer.base);
    model.replaceModule('layer', layer);
    run(layer);
    const ready = liveTensorCount();
    for (let pass = 0; pass < 3; pass++) run(layer);
    expect(liveTensorCount()).toBe(ready);
    mergeLora(model);
    expect(liveTensorCount()).toBe(alive + 2);
    model.dispose();
    expect(liveTensorCount()).toBe(alive);
    const other = wrapped();
    run(other);
    other.dispose();
    expect(liveTensorCount()).toBe(alive);
  });
});

test('the scale: alpha / rank, and alpha / sqrt(rank) of rsLoRA', () => {
  const base = plainLinear('out-in');
  expect(new LoraLinear(base, { rank: 4, alpha: 8 }).scale).toBe(2);
  expect(new LoraLinear(base, { rank: 4, alpha: 8, rankStabilized: true }).scale).toBe(4);
});

test('DoRA: each row of the merged weight has the length of its magnitude', () => {
  const layer = adapted(plainLinear('out-in'), { ...LORA, dora: true });
  if (layer.loraMagnitude === undefined) throw new Error('no magnitude');
  expect(difference(rowNorms(layer.mergedWeight()), layer.loraMagnitude)).toBeLessThan(1e-12);
});

describe('remembered row lengths are never stale', () => {
  const options = { ...LORA, dora: true };

  function expectFresh(layer: LoraLinear): void {
    const x = values([3, 6]);
    const same = new LoraLinear(layer.base, options);
    for (const part of ['loraA', 'loraB', 'loraMagnitude'] as const) {
      const tensor = layer[part];
      if (tensor !== undefined) same.assign(part, tensor.detach().clone());
    }
    expect(layer.forward(x).equals(same.forward(x))).toBe(true);
  }

  test.each<[string, (layer: LoraLinear) => void]>([
    ['B is written to', (layer) => noGrad(() => layer.loraB.mul_(2))],
    ['A is replaced', (layer) => layer.assign('loraA', values([2, 6]))],
    ['the weight is replaced', (layer) => layer.base.assign('weight', values([4, 6]))],
    [
      'a training step goes between',
      (layer) => {
        for (const tensor of layer.adapterParameters) tensor.setRequiresGrad(true);
        layer.forward(values([3, 6]));
        for (const tensor of layer.adapterParameters) tensor.setRequiresGrad(false);
        noGrad(() => layer.loraB.mul_(2));
      },
    ],
  ])('%s', (_, change) => {
    const layer = adapted(plainLinear('out-in'), options);
    expectFresh(layer);
    change(layer);
    expectFresh(layer);
  });
});

test('row lengths: strip by strip as at once, and 1 for a row of zeros', () => {
  const weight = randn([130, 5000], random); // strips of 52 rows, the last one of 26
  const [loraA, loraB] = [randn([2, 5000], random), randn([130, 2], random)];
  const whole = weight.add(loraB.matmul(loraA).mul(3));
  const expected = whole.mul(whole).sum([1]).sqrt();
  expect(difference(rowNorms(weight, { loraA, loraB, scale: 3 }), expected)).toBeLessThan(1e-3);
  expect(expected.min().item()).toBeGreaterThan(50);
  const zeros = floatTensor([3, 4, 0, 0], [2, 2]);
  expect([rowNorms(zeros).narrow(0, 0, 1).item(), rowNorms(zeros).narrow(0, 1, 1).item()]).toEqual([5, 1]);
});

test('DoRA on a row of zeros stays finite', () => {
  const base = new DenseLinear(2, 2);
  base.assign('weight', floatTensor([3, 4, 0, 0], [2, 2]));
  const layer = new LoraLinear(base, { ...LORA, dora: true });
  initializeLora(layer, random);
  const x = floatTensor([1, 1], [1, 2]);
  for (const tensor of layer.adapterParameters) tensor.setRequiresGrad(true);
  const y = layer.forward(x);
  expect(y.sum().item()).toBe(7);
  for (const gradient of grad([y.sum()], layer.adapterParameters))
    expect(Number.isFinite(gradient?.sum().item())).toBe(true);
});

test('LoRA+: B and the magnitude learn faster, A does not', () => {
  const layer = adapted(plainLinear('out-in'), { ...LORA, dora: true });
  const factors = learningRateFactors(new Map([['layer', layer]]), 16);
  expect([...factors]).toEqual([
    ['layer.loraA', 1],
    ['layer.loraB', 16],
    ['layer.loraMagnitude', 16],
  ]);
});

test('without its adapters a model is its base, and has them again afterwards', () => {
  const base = plainLinear('out-in');
  const model = new Holder(base);
  const x = ones([1, base.inFeatures], { dtype: 'float64' });
  const plain = base.forward(x).toArray();
  for (const layer of applyLora(model, () => true, LORA).values())
    for (const part of ['loraA', 'loraB'] as const)
      layer.assign(part, ones(layer[part].shape, { dtype: 'float64' }));
  const layerOf = () => [...loraLayers(model).values()][0];
  const adaptedOutput = layerOf()?.forward(x).toArray();
  expect(adaptedOutput).not.toEqual(plain);
  expect(withoutAdapters(model, () => layerOf()?.forward(x).toArray())).toEqual(plain);
  expect(() =>
    withoutAdapters(model, () => {
      throw new TypeError('within');
    }),
  ).toThrow('within');
  expect(layerOf()?.forward(x).toArray()).toEqual(adaptedOutput);
});

test('adapters are not put upon adapters, and some layer must match', () => {
  const model = new Holder(plainLinear('out-in'));
  applyLora(model, () => true, LORA);
  expect(() => applyLora(model, () => true, LORA)).toThrow(InputError);
  expect(() => applyLora(new Holder(plainLinear('out-in')), () => false, LORA)).toThrow(
    /no linear layer of the model matches/,
  );
});
