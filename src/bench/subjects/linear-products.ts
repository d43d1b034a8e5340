/** The three float32 products of a linear layer (xinghe::linear) as the route of this process multiplies them. */
import {
  getThreads,
  grad,
  linearRoute,
  noGrad,
  operator,
  prepareRuntime,
  RandomGenerator,
  randn,
  scope,
} from '../../tensor/index.js';
import {
  LINEAR_PRODUCTS,
  type LinearProduct,
  type LinearProductsSettings,
  productKey,
} from './linear-products-settings.js';

/** GFLOP/s of each, the best of all repetitions. XINGHE_LINEAR in the environment decides the library. */
export function measureLinearProducts({
  shapes,
  seconds,
  threads,
}: LinearProductsSettings): Record<string, unknown> {
  prepareRuntime(threads === undefined ? {} : { threads });
  const linear = operator('xinghe::linear');
  const generator = new RandomGenerator(0);
  const values: Record<string, unknown> = {};
  for (const shape of shapes)
    scope(() => {
      const [rows, inputs, outputs] = shape;
      const x = randn([rows, inputs], generator).setRequiresGrad(true);
      const weight = randn([outputs, inputs], generator).setRequiresGrad(true);
      const gradOutputs = [randn([rows, outputs], generator)];
      const output = linear(x, weight);
      const bodies: Record<LinearProduct, () => void> = {
        forward: () => void noGrad(() => linear(x, weight)),
        gradInput: () => void grad([output], [x], { gradOutputs, retainGraph: true }),
        gradWeight: () => void grad([output], [weight], { gradOutputs, retainGraph: true }),
      };
      for (const product of LINEAR_PRODUCTS)
        values[productKey(shape, product)] =
          (2 * rows * inputs * outputs) / leastSeconds(bodies[product], seconds) / 1e9;
    });
  return { ...values, threads: getThreads(), route: linearRoute() };
}

function leastSeconds(body: () => void, budget: number): number {
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + budget * 1000;
  for (let repetition = 0; repetition < 3 || performance.now() < end; repetition++) {
    const start = performance.now();
    scope(body);
    if (repetition > 0) least = Math.min(least, (performance.now() - start) / 1000);
  }
  return least;
}
