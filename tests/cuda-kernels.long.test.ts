/**
 * The text of the CUDA kernels, compiled for the CPU and run block by block, against the operators that they stand in for.
 * What this cannot show: that a device runs them as fast, and that no barrier is missing between warps.
 *
 * Shapes: N rows or sequences, D or F features, H heads, K heads of keys and values, E head_dim, P pages, M blocks, O outputs.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gatedActivation } from '../src/nn/gated-activation.js';
import { applyRotary } from '../src/nn/rotary.js';
import {
  type DType,
  grad,
  intTensor,
  operator,
  RandomGenerator,
  rand,
  randn,
  scope,
  type Tensor,
} from '../src/tensor/index.js';
import { EmulatedKernels } from './support/cuda-kernels/run-kernels.js';

const rmsNorm = operator('xinghe::rms_norm');
const integerLinear = operator('xinghe::integer_linear');
const pagedAttention = operator('xinghe::paged_attention_composed');

const dtypes = ['float32', 'bfloat16', 'float16'] as const;
// Of the largest value: sums in another order, then one rounding to the dtype.
const tolerances = { float32: 3e-6, bfloat16: 2 ** -8, float16: 2 ** -10 };

let kernels: EmulatedKernels;
let generator: RandomGenerator;

beforeAll(() => {
  kernels = new EmulatedKernels();
  generator = new RandomGenerator(5);
});
afterAll(() => kernels.dispose());

function expectClose(
  found: Tensor | null | undefined,
  wanted: Tensor | null | undefined,
  allowed: number,
): void {
  if (!found || !wanted) throw new Error('a result is missing');
  expect(found.shape).toEqual(wanted.shape);
  const wide = wanted.to('float64');
  const scale = Math.max(wide.abs().max().item(), 1e-6);
  expect(found.to('float64').sub(wide).abs().max().item() / scale).toBeLessThanOrEqual(allowed);
}

const integers = (shape: readonly number[], end: number): Tensor =>
  rand(shape, generator, { low: 0, high: end }).to('uint8');

describe.each(dtypes)('%s', (dtype) => {
  const random = (...shape: number[]): Tensor => randn(shape, generator, { dtype });
  const allowed = tolerances[dtype];

  test.each([false, true])('norm, its gradients; rounded before the weight: %s', (before) =>
    scope(() => {
      const [rows, features, parts] = [5, 200, 3];
      const [x, weight, gradient] = [random(rows, features), random(features), random(rows, features)];
      const [y, , dx, sums] = kernels.run({
        ...{ kernel: 'norm', dtype, numbers: [rows, features, 1000, before ? 1 : 0, parts] },
        inputs: [x, weight.to('float32'), gradient],
        outputs: [
          { shape: [rows, features], dtype },
          { shape: [rows], dtype: 'float32' },
          { shape: [rows, features], dtype },
          { shape: [parts, features], dtype: 'float32' },
        ],
      });
      const [a, w] = [x.setRequiresGrad(true), weight.setRequiresGrad(true)];
      const wanted = rmsNorm(a, w, 1e-6, before);
      const [wantedX, wantedWeight] = grad([wanted], [a, w], { gradOutputs: [gradient] });
      expectClose(y, wanted.detach(), allowed);
      expectClose(dx, wantedX, allowed);
      expectClose(sums?.sum([0]), wantedWeight, allowed);
    }),
  );

  test.each([false, true])('rotation; back: %s', (back) =>
    scope(() => {
      const [batch, heads, tokens, half] = [2, 3, 7, 20];
      const x = random(batch, tokens, heads, 2 * half);
      const [cos, sin] = [random(tokens, 2 * half), random(tokens, 2 * half)];
      const [y] = kernels.run({
        ...{ kernel: 'rotary', dtype, numbers: [batch, heads, tokens, half, back ? 1 : 0] },
        inputs: [x, cos, sin],
        outputs: [{ shape: x.shape, dtype }],
      });
      const turned = x.transpose(1, 2).setRequiresGrad(true);
      const forward = applyRotary(turned, { cos, sin });
      const wanted = back
        ? grad([forward], [turned], { gradOutputs: [turned.detach()] })[0]
        : forward.detach();
      expectClose(y?.transpose(1, 2), wanted, allowed);
    }),
  );

  test.each(['silu', 'gelu_tanh'] as const)('gate, its gradients: %s', (activation) =>
    scope(() => {
      const [rows, features] = [4, 150];
      const [both, gradient] = [random(rows, 2 * features), random(rows, features)];
      const shape = [rows, features];
      const [y, dGate, dUp] = kernels.run({
        ...{ kernel: 'gate', dtype, numbers: [rows, features, activation === 'silu' ? 1 : 0] },
        inputs: [both, gradient],
        outputs: [
          { shape, dtype },
          { shape, dtype },
          { shape, dtype },
        ],
      });
      const part = (index: number): Tensor =>
        both.narrow(1, index * features, features).setRequiresGrad(true);
      const [gate, up] = [part(0), part(1)];
      const wanted = gatedActivation(gate, up, activation);
      const gradients = grad([wanted], [gate, up], { gradOutputs: [gradient] });
      expectClose(y, wanted.detach(), allowed);
      expectClose(dGate, gradients[0], allowed);
      expectClose(dUp, gradients[1], allowed);
    }),
  );

  test.each([
    { kind: 'four', inputs: 300, groupSize: 64, scaleType: 'float32' },
    { kind: 'four', inputs: 512, groupSize: 128, scaleType: 'float16' },
    { kind: 'eight', inputs: 300, groupSize: 320, scaleType: 'float16' },
    { kind: 'signed-eight', inputs: 128, groupSize: 32, scaleType: 'float32' },
  ] as const)('product of integers: %o', ({ kind, inputs, groupSize, scaleType }) =>
    scope(() => {
      const [rows, outputs] = [3, 37];
      const padded = Math.ceil(inputs / 32) * 32;
      const groups = Math.ceil(inputs / groupSize);
      const bytes = integers([outputs, kind === 'four' ? padded / 2 : padded], 256);
      const weight = kind === 'signed-eight' ? bytes.to('int16').sub(128).to('int8') : bytes;
      const scales = rand([outputs, groups], generator, { low: 0.01, high: 0.02 }).to(scaleType);
      const zeros = integers([outputs, groups], kind === 'four' ? 16 : 256);
      const [x, bias] = [random(rows, inputs), random(outputs)];
      const [y] = kernels.run({
        ...{ kernel: `integers-${kind}`, dtype, other: scaleType },
        numbers: [rows, inputs, outputs, groupSize, 1],
        inputs: [x, weight, scales, zeros, bias],
        outputs: [{ shape: [rows, outputs], dtype }],
      });
      expectClose(y, integerLinear(x, weight, scales, zeros, undefined, bias, groupSize), allowed);
    }),
  );

  test.each([
    { heads: 4, kvHeads: 4, headDim: 64, window: 0, positions: [0, 15, 130, 300], isInt8: false },
    { heads: 6, kvHeads: 2, headDim: 160, window: 37, positions: [36, 37, 200], isInt8: false },
    { heads: 4, kvHeads: 1, headDim: 40, window: 0, positions: [5, 150], isInt8: true },
    { heads: 2, kvHeads: 2, headDim: 256, window: 140, positions: [139, 290], isInt8: true },
  ])('paged attention: %o', (form) => scope(() => comparePaged(form, dtype, allowed)));
});

interface PagedForm {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly window: number;
  /** Of the new token of each sequence. */
  readonly positions: readonly number[];
  readonly isInt8: boolean;
}

function comparePaged(
  { heads, kvHeads, headDim, window, positions, isInt8 }: PagedForm,
  dtype: DType,
  allowed: number,
): void {
  const count = positions.length;
  const blocks = Math.ceil((Math.max(...positions) + 1) / 16);
  const pages = count * blocks + 1;
  const stored: DType = isInt8 ? 'int8' : dtype;
  const page = (shape: readonly number[]): Tensor =>
    isInt8 ? integers(shape, 255).to('int16').sub(127).to('int8') : randn(shape, generator, { dtype });
  const keys = page([pages, kvHeads, headDim, 16]);
  const values = page([pages, kvHeads, 16, headDim]);
  const scales = (): Tensor | undefined =>
    isInt8 ? rand([pages, kvHeads, 16], generator, { low: 0.005, high: 0.02 }) : undefined;
  const [keyScales, valueScales] = [scales(), scales()];
  // Any order of the pages; below a window they are absent.
  const table = Array.from({ length: count * blocks }, (_, index) => {
    const position = positions[Math.floor(index / blocks)] ?? 0;
    const isGone = window > 0 && ((index % blocks) + 1) * 16 <= position - window + 1;
    return isGone ? -1 : ((index * 7) % (pages - 1)) + 1;
  });
  const tables = intTensor(table, [count, blocks], { dtype: 'int32' });
  const rows = positions.flatMap((position, row) => [count - 1 - row, 1, position, 0]);
  const sequences = intTensor(rows, [count, 4], { dtype: 'int32' });
  const attended = integers([pages, 16], 4).ne(0).to('uint8');
  const [q, k, v] = [heads, kvHeads, kvHeads].map((size) =>
    randn([1, size, count, headDim], generator, { dtype }),
  );
  if (q === undefined || k === undefined || v === undefined) throw new TypeError('three tensors are made');
  const shape = [pages, kvHeads, 16];
  const scaleOutputs = isInt8
    ? [{ shape, dtype: 'float32' } as const, { shape, dtype: 'float32' } as const]
    : [];
  const found = kernels.run({
    ...{ kernel: 'paged', dtype, other: stored },
    numbers: [count, heads, kvHeads, headDim, blocks, window, pages],
    inputs: [q, k, v, keys, values, keyScales, valueScales, attended, tables, sequences],
    outputs: [
      { shape: keys.shape, dtype: stored },
      { shape: values.shape, dtype: stored },
      ...scaleOutputs,
      { shape: [count, heads, headDim], dtype },
    ],
  });
  const wanted = pagedAttention(
    ...([q, k, v, keys, values, keyScales, valueScales, attended, tables, sequences, window] as const),
    undefined,
    undefined,
  );
  const out = wanted.select(0, 0).transpose(0, 1);
  for (const [index, tensor] of [keys, values, keyScales, valueScales].entries())
    if (tensor !== undefined) expectClose(found[index], tensor, isInt8 && index > 1 ? 1e-7 : 0);
  expectClose(found.at(-1), out, allowed);
}
