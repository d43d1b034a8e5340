/** Gradients by segments against those of one graph over the whole model. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels, maxAbsDifference } from '../../../tests/support/golden.js';
import { applyLora, initializeLora } from '../../lora/index.js';
import { type LoadedModel, loadModel } from '../../models/index.js';
import { weightedCrossEntropySum } from '../../nn/index.js';
import {
  generatorState,
  grad,
  intTensor,
  noGrad,
  RandomGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { GradientStore } from './gradient-store.js';
import type { SegmentSteps } from './segment-steps.js';
import { accumulateGradients, type Recompute, type TrainingBatch } from './segments.js';

function someBatch(vocabSize: number, shape: [number, number]): TrainingBatch {
  const count = shape[0] * shape[1];
  const ids = (offset: number): Tensor =>
    intTensor(
      Array.from({ length: count }, (_, index) => ((index + offset) * 7919) % vocabSize),
      shape,
    );
  const weights = intTensor(
    Array.from({ length: count }, (_, index) => index % 4),
    shape,
  ).to('float64');
  return { inputIds: ids(3), targets: ids(4), weights };
}

function load(folder: string): LoadedModel & { parameters: Map<string, Tensor> } {
  const loaded = loadModel(`${goldenFolder}${folder}`, { dtype: 'float64' });
  return { ...loaded, parameters: new Map(loaded.model.namedParameters()) };
}

describe.each(goldenModels)('%s', (folder) => {
  test('segmented loss and gradients are those of one graph', () => {
    const { model, parameters } = load(folder);
    scope(() => {
      const batch = someBatch(model.shape.vocabSize, [2, 9]);
      const scale = 1 / 18;
      const store = new GradientStore(parameters);
      const loss = accumulateGradients(model, batch, scale, store);

      const whole = weightedCrossEntropySum(model.forward(batch.inputIds), batch.targets, batch.weights).mul(
        scale,
      );
      const expected = grad([whole], [...parameters.values()]);
      expect(Math.abs(loss - whole.item())).toBeLessThan(1e-12);
      for (const [index, name] of [...parameters.keys()].entries()) {
        const [ours, theirs] = [store.get(name), expected[index]];
        if (ours === undefined || theirs === null || theirs === undefined)
          throw new Error(`${name}: no gradient`);
        expect(maxAbsDifference(ours, theirs), name).toBeLessThan(1e-12);
      }
      store.clear();
    });
    model.dispose();
  });
});

test('segments that nothing is trained in are run without a graph', () => {
  const { model, parameters } = load('xverse');
  scope(() => {
    const batch = someBatch(model.shape.vocabSize, [1, 7]);
    for (const parameter of parameters.values()) parameter.setRequiresGrad(false);
    const trained = [...parameters].filter(([path]) => path.startsWith('layers.2.'));
    const store = new GradientStore(new Map(trained));
    const loss = accumulateGradients(model, batch, 1, store);
    const whole = weightedCrossEntropySum(model.forward(batch.inputIds), batch.targets, batch.weights);
    expect(loss).toBeCloseTo(whole.item(), 10);
    const expected = grad(
      [whole],
      trained.map(([, parameter]) => parameter),
    );
    for (const [index, name] of trained.map(([path]) => path).entries()) {
      const [ours, theirs] = [store.get(name), expected[index]];
      if (ours === undefined || theirs === null || theirs === undefined)
        throw new Error(`${name}: no gradient`);
      expect(maxAbsDifference(ours, theirs), name).toBeLessThan(1e-12);
    }
    store.clear();
  });
  model.dispose();
});

test.each([false, true])('full recompute draws the same LoRA dropout again (DoRA: %s)', (dora) => {
  const { model } = load('xverse');
  const lora = { rank: 4, alpha: 8, dropout: 0.3, dora };
  const adapters = applyLora(model, (path) => path.endsWith('Proj'), lora);
  scope(() => {
    const initial = new RandomGenerator(1);
    for (const layer of adapters.values()) {
      initializeLora(layer, initial, 'float64');
      layer.loraB.add_(0.01); // At 0 nothing would reach A.
    }
    const batch = someBatch(model.shape.vocabSize, [2, 9]);
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    const matrices = new Map(model.namedParameters().filter(([path]) => /\.lora(A|B|Magnitude)$/.test(path)));
    const run = (recompute: 'none' | 'full') => {
      const generator = new RandomGenerator(7);
      for (const layer of adapters.values()) layer.dropoutGenerator = generator;
      const store = new GradientStore(matrices);
      const losses = [1, 2].map(() => accumulateGradients(model, batch, 1, store, { recompute, generator }));
      return { losses, store, state: generatorState(generator) };
    };
    const [plain, recomputed] = [run('none'), run('full')];
    expect(plain.losses[0]).not.toBe(plain.losses[1]);
    expect(recomputed.losses).toEqual(plain.losses);
    expect(recomputed.state.equals(plain.state)).toBe(true);
    for (const path of matrices.keys()) {
      const [a, b] = [plain.store.get(path), recomputed.store.get(path)];
      expect(a !== undefined && b !== undefined && a.equals(b)).toBe(true);
    }
    plain.store.clear();
    recomputed.store.clear();
  });
  model.dispose();
});

/** How often each segment is computed, and which of them left a graph behind in the forward pass. */
function countRuns(folder: string, recompute: Recompute) {
  const { model, parameters } = load(folder);
  const runs: number[] = model.layers.map(() => 0);
  for (const [index, layer] of model.layers.entries()) {
    const forward = layer.forward.bind(layer);
    layer.forward = (...given) => {
      runs[index] = (runs[index] ?? 0) + 1;
      return forward(...given);
    };
  }
  const order: string[] = [];
  const withGraph: string[] = [];
  const steps: SegmentSteps = {
    beforeForward: ({ name }) => order.push(`> ${name}`),
    afterForward: ({ name, output }) => {
      if (output?.requiresGrad === true) withGraph.push(name);
      order.push(`${name} >`);
    },
    beforeBackward: ({ name }) => order.push(`< ${name}`),
    afterBackward: ({ name }) => order.push(`${name} <`),
  };
  scope(() => {
    const store = new GradientStore(parameters);
    accumulateGradients(model, someBatch(model.shape.vocabSize, [1, 7]), 1, store, {
      recompute,
      steps: [steps],
    });
    store.clear();
  });
  model.dispose();
  return { runs, withGraph, order };
}

test.each<{ recompute: Recompute; runs: number[]; withGraph: string[] }>([
  {
    recompute: 'none',
    runs: [1, 1, 1],
    withGraph: ['embedding', 'layers.0', 'layers.1', 'layers.2', 'head'],
  },
  { recompute: 'full', runs: [2, 2, 2], withGraph: ['head'] },
  { recompute: { every: 2 }, runs: [2, 1, 2], withGraph: ['embedding', 'layers.1', 'head'] },
  { recompute: { layers: [1] }, runs: [1, 2, 1], withGraph: ['embedding', 'layers.0', 'layers.2', 'head'] },
])(
  'recompute $recompute keeps no graph of a block and computes it twice',
  ({ recompute, runs, withGraph }) => {
    const counted = countRuns('xverse', recompute);
    expect(counted.runs).toEqual(runs);
    expect(counted.withGraph).toEqual(withGraph);
  },
);

test('steps are called around each segment, forward and then backward', () => {
  const names = ['embedding', 'layers.0', 'layers.1', 'layers.2', 'head'];
  expect(countRuns('xverse', 'full').order).toEqual([
    ...names.flatMap((name) => [`> ${name}`, `${name} >`]),
    ...names.toReversed().flatMap((name) => [`< ${name}`, `${name} <`]),
  ]);
});

test('borders that lie elsewhere between the passes give the same gradients, and only free ones are moved', () => {
  const { model, parameters } = load('xverse');
  scope(() => {
    const batch = someBatch(model.shape.vocabSize, [2, 9]);
    const moved: string[] = [];
    /** What BoundaryOffload does, on one device: the boundary is freed and made anew. */
    const elsewhere: SegmentSteps = {
      afterForward(segment) {
        const { input } = segment;
        if (!segment.hasFreeInput || input === undefined) return;
        segment.input = noGrad(() => input.clone()).setRequiresGrad(input.requiresGrad);
        input.dispose();
        moved.push(segment.name);
      },
    };
    const run = (steps: readonly SegmentSteps[]) => {
      const store = new GradientStore(parameters);
      const loss = accumulateGradients(model, batch, 1, store, { recompute: { layers: [0, 1] }, steps });
      return { loss, store };
    };
    const [plain, offloaded] = [run([]), run([elsewhere])];
    expect(moved).toEqual(['layers.1']);
    expect(offloaded.loss).toBe(plain.loss);
    for (const path of parameters.keys()) {
      const [a, b] = [plain.store.get(path), offloaded.store.get(path)];
      expect(a !== undefined && b !== undefined && a.equals(b), path).toBe(true);
    }
    plain.store.clear();
    offloaded.store.clear();
  });
  model.dispose();
});
