/** Gradients by segments against those of one graph over the whole model. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels, maxAbsDifference } from '../../../tests/support/golden.js';
import { publishedParameters } from '../../checkpoint/index.js';
import { applyLora, initializeLora } from '../../lora/index.js';
import { type LoadedModel, loadModel } from '../../models/index.js';
import { weightedCrossEntropySum } from '../../nn/index.js';
import { Generator, generatorState, grad, intTensor, scope, type Tensor } from '../../tensor/index.js';
import { GradientStore } from './gradient-store.js';
import { accumulateGradients, type TrainingBatch } from './segments.js';

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
  return { ...loaded, parameters: publishedParameters(loaded.model, loaded.architecture.names) };
}

describe.each(goldenModels)('%s', (folder) => {
  test('segmented loss and gradients are those of one graph', () => {
    const { model, parameters } = load(folder);
    scope(() => {
      const batch = someBatch(model.vocabSize, [2, 9]);
      const scale = 1 / 18;
      const store = new GradientStore(parameters.values());
      const loss = accumulateGradients(model, batch, scale, store);

      const whole = weightedCrossEntropySum(model.forward(batch.inputIds), batch.targets, batch.weights).mul(
        scale,
      );
      const expected = grad([whole], [...parameters.values()]);
      expect(Math.abs(loss - whole.item())).toBeLessThan(1e-12);
      for (const [index, [name, parameter]] of [...parameters].entries()) {
        const [ours, theirs] = [store.get(parameter), expected[index]];
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
    const batch = someBatch(model.vocabSize, [1, 7]);
    for (const parameter of parameters.values()) parameter.setRequiresGrad(false);
    const trained = [...parameters].filter(([name]) => name.startsWith('model.layers.2.'));
    const store = new GradientStore(trained.map(([, parameter]) => parameter));
    const loss = accumulateGradients(model, batch, 1, store);
    const whole = weightedCrossEntropySum(model.forward(batch.inputIds), batch.targets, batch.weights);
    expect(loss).toBeCloseTo(whole.item(), 10);
    const expected = grad(
      [whole],
      trained.map(([, parameter]) => parameter),
    );
    for (const [index, [name, parameter]] of trained.entries()) {
      const [ours, theirs] = [store.get(parameter), expected[index]];
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
    const initial = new Generator(1);
    for (const layer of adapters.values()) {
      initializeLora(layer, initial, 'float64');
      layer.loraB.add_(0.01); // At 0 nothing would reach A.
    }
    const batch = someBatch(model.vocabSize, [2, 9]);
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    const matrices = [...adapters.values()].flatMap((layer) => layer.adapterParameters);
    const run = (recompute: 'none' | 'full') => {
      const generator = new Generator(7);
      for (const layer of adapters.values()) layer.dropoutGenerator = generator;
      const store = new GradientStore(matrices);
      const losses = [1, 2].map(() => accumulateGradients(model, batch, 1, store, { recompute, generator }));
      return { losses, store, state: generatorState(generator) };
    };
    const [plain, recomputed] = [run('none'), run('full')];
    expect(plain.losses[0]).not.toBe(plain.losses[1]);
    expect(recomputed.losses).toEqual(plain.losses);
    expect(recomputed.state.equals(plain.state)).toBe(true);
    for (const matrix of matrices) {
      const [a, b] = [plain.store.get(matrix), recomputed.store.get(matrix)];
      expect(a !== undefined && b !== undefined && a.equals(b)).toBe(true);
    }
    plain.store.clear();
    recomputed.store.clear();
  });
  model.dispose();
});
