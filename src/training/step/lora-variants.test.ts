/** What every kind of adapter promises of a training run. */
import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import {
  applyLora,
  initializeLora,
  type LoraOptions,
  learningRateFactors,
  mergeLora,
} from '../../lora/index.js';
import { loadModel } from '../../models/index.js';
import {
  type FloatDType,
  intTensor,
  liveTensorCount,
  noGrad,
  ones,
  RandomGenerator,
  type Tensor,
} from '../../tensor/index.js';
import { AdamW } from './adamw.js';
import { GradientStore } from './gradient-store.js';
import { accumulateGradients } from './segments.js';

const variants: readonly (readonly [string, Partial<LoraOptions>])[] = [
  ['LoRA', {}],
  ['rsLoRA', { rankStabilized: true }],
  ['DoRA', { dora: true }],
];
// The second one's weights lie the other way round and have biases.
const models = ['xverse', 'telechat-52b'] as const;
/** With how far the merged model's logits may be off: root mean square, as a share of theirs. */
const precisions: readonly (readonly [FloatDType, number])[] = [
  ['float64', 1e-12],
  ['float32', 1e-5],
  // Merging rounds the weights to 8 bits. Seen, by the instructions of the processor: 0.016 to 0.025; single logits differ up to twofold.
  ['bfloat16', 0.04],
];
const cases = models.flatMap((name) =>
  variants.flatMap(([method, options]) =>
    precisions.map(([dtype, bound]) => ({ name, method, options, dtype, bound })),
  ),
);

describe.each(cases)('$method on $name in $dtype', ({ name, options, dtype, bound }) => {
  test('the loss falls, the weights stay, no tensor is left behind, the merged model answers alike', () => {
    const { model } = loadModel(`${goldenFolder}${name}`, { dtype });
    const rows = Array.from({ length: 20 }, (_, index) => (index * 31 + 7) % 90);
    const inputIds = intTensor(rows, [2, 10]);
    const targets = intTensor([...rows.slice(1), 3], [2, 10]);
    const batch = { inputIds, targets, weights: ones([2, 10]) };
    const frozen = model.namedParameters().map(([path, tensor]) => [path, tensor.clone()] as const);
    const lora = { rank: 3, alpha: 6, dropout: 0.1, ...options };
    const adapters = applyLora(model, (path) => /layers\.\d+\./.test(path), lora);
    const generator = new RandomGenerator(3);
    for (const layer of adapters.values())
      initializeLora(layer, generator, dtype === 'float64' ? 'float64' : 'float32');

    const trained = new Map(model.namedParameters().filter(([path]) => /\.lora(A|B|Magnitude)$/.test(path)));
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    const gradients = new GradientStore(trained);
    const factors = learningRateFactors(adapters, 4);
    const optimizer = new AdamW(
      [...trained].map(([path, parameter]) => ({
        path,
        name: path,
        parameter,
        weightDecay: 0,
        learningRateFactor: factors.get(path) ?? Number.NaN,
      })),
      { beta1: 0.9, beta2: 0.95, eps: 1e-8, form: 'torch' },
    );
    for (const layer of adapters.values()) layer.dropoutGenerator = generator;
    const losses: number[] = [];
    const alive: number[] = [];
    for (let step = 0; step < 6; step++) {
      losses.push(accumulateGradients(model, batch, 1 / 20, gradients, { generator }));
      optimizer.step(gradients, 3e-3);
      gradients.clear();
      alive.push(liveTensorCount());
    }
    optimizer.dispose();
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.3);
    expect(new Set(alive.slice(1)).size, `alive: ${alive.join(', ')}`).toBe(1);

    for (const layer of adapters.values()) layer.dropoutGenerator = undefined;
    for (const parameter of trained.values()) parameter.setRequiresGrad(false);
    const logits = () => noGrad(() => model.forward(inputIds));
    const unmerged = logits();
    const weights = new Map(model.namedParameters());
    for (const [path, before] of frozen) expect(weights.get(path)?.equals(before), path).toBe(true);
    expect(weights.size).toBe(frozen.length + trained.size);
    mergeLora(model);
    const size = (values: Tensor): number => Math.sqrt(values.to('float64').pow(2).mean().item());
    expect(size(logits().sub(unmerged)) / size(unmerged)).toBeLessThan(bound);
    generator.dispose();
    model.dispose();
  });
});
