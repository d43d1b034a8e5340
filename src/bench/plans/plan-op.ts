/** `xinghe bench op`: the cost of a call; with `linear` the products of a linear layer by either library. */
import type { Benchmark } from '../benchmark.js';
import { ownSide } from '../rounds/own-side.js';
import { LINEAR_PRODUCTS, type LinearProduct, productKey } from '../subjects/linear-products-settings.js';
import { argumentsOf, chosenPeer, type PeerChoice } from './plan-options.js';

export interface OpPlanOptions extends PeerChoice {
  readonly calls: number;
  readonly repetitions: number;
}

export function planOp(options: OpPlanOptions): Benchmark {
  const { calls, repetitions } = options;
  return {
    subject: 'op',
    title: 'Operator call on a tensor of one element',
    settings: { calls, repetitions, threads: 1 },
    metrics: [
      { key: 'addNanoseconds', title: 'a.add(b), no gradients', unit: 'ns', better: 'lower' },
      { key: 'graphNanoseconds', title: 'clone, 4 operators, backward', unit: 'ns', better: 'lower' },
    ],
    ours: ownSide('operator-call', { calls, repetitions }),
    peer: chosenPeer('op', options)?.side(argumentsOf({ calls, repetitions })),
    threads: 1,
    notes: [
      'As users write it, in scopes of 50 calls; within a process the least of the repetitions counts.',
    ],
  };
}

const SHAPES = [
  [256, 512, 512],
  [1024, 512, 512],
  [1024, 512, 1536],
  [1024, 1536, 512],
  [1024, 512, 8192],
] as const satisfies readonly (readonly [number, number, number])[];

const PRODUCT_NAMES: Readonly<Record<LinearProduct, string>> = {
  forward: 'forward',
  gradInput: 'input gradient',
  gradWeight: 'weight gradient',
};

export interface LinearPlanOptions {
  readonly threads: number;
  /** For each product and side, in a round. */
  readonly seconds: number;
}

/** oneDNN is ours, BLAS the peer; which of them is taken is decided for each machine (docs/development.md). */
export function planLinear({ threads, seconds }: LinearPlanOptions): Benchmark {
  const settings = { shapes: SHAPES, seconds, threads };
  return {
    subject: 'linear-routes',
    title: 'Float32 products of a linear layer by oneDNN',
    settings: { threads },
    metrics: SHAPES.flatMap((shape) =>
      LINEAR_PRODUCTS.map((product) => ({
        key: productKey(shape, product),
        title: `${shape.join(' x ')} ${PRODUCT_NAMES[product]}`,
        unit: 'GFLOP/s',
        better: 'higher' as const,
        limit: 'float32Products' as const,
      })),
    ),
    ours: ownSide('linear-products', settings, { name: 'oneDNN', env: { XINGHE_LINEAR: 'onednn' } }),
    peer: ownSide('linear-products', settings, { name: 'BLAS', env: { XINGHE_LINEAR: 'blas' } }),
    notes: [
      'Shapes: rows, input features, output features. xinghe::linear takes the faster one for each product, as a measurement at the first use decided.',
    ],
    threads,
  };
}
