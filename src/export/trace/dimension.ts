/**
 * Sizes of a graph that holds for every batch and length. A recorded call tells plain numbers; the same call recorded at several
 * sizes of the inputs tells how a number follows them: `factor * product of symbols + offset`.
 */

/** batch: rows. tokens: new tokens of each. past: cached ones. total: past and new ones. */
export const SYMBOLS = ['batch', 'tokens', 'past', 'total'] as const;

export type DimensionSymbol = (typeof SYMBOLS)[number];

export type Sizes = Readonly<Record<DimensionSymbol, number>>;

/** A size that is the same in every run, or one that follows those of the inputs. */
export type Dimension =
  | number
  | { readonly factor: number; readonly symbols: readonly DimensionSymbol[]; readonly offset: number };

/**
 * Primes, so that a product or a multiple of one symbol is never by chance what another one says; four, as two fix factor and
 * offset, and the others contradict a wrong guess. Tensors without memory may be of any size.
 */
export const TRACED_SIZES: readonly Sizes[] = [
  [101, 1009, 10_007],
  [103, 1013, 10_009],
  [107, 1019, 10_037],
  [109, 1021, 10_039],
].map(([batch = 0, tokens = 0, past = 0]) => ({ batch, tokens, past, total: past + tokens }));

const PRODUCTS: readonly (readonly DimensionSymbol[])[] = [
  ...SYMBOLS.map((symbol) => [symbol]),
  ['batch', 'tokens'],
  ['batch', 'total'],
  ['batch', 'past'],
];

/**
 * @param values of one number, in the order of `sizes`
 * @returns undefined where no such form gives them
 */
export function dimensionOf(
  values: readonly number[],
  sizes: readonly Sizes[] = TRACED_SIZES,
): Dimension | undefined {
  const [first = 0, second = 0] = values;
  if (values.every((value) => value === first)) return first;
  for (const symbols of PRODUCTS) {
    const products = sizes.map((size) => symbols.reduce((product, symbol) => product * size[symbol], 1));
    const [firstProduct = 0, secondProduct = 0] = products;
    const factor = (second - first) / (secondProduct - firstProduct);
    const offset = first - factor * firstProduct;
    const fits = values.every((value, run) => factor * (products[run] ?? 0) + offset === value);
    if (fits && Number.isInteger(factor) && Number.isInteger(offset)) return { factor, symbols, offset };
  }
  return undefined;
}

export function sameDimension(a: Dimension | undefined, b: Dimension | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.factor === b.factor && a.offset === b.offset && a.symbols.join() === b.symbols.join();
}

/** "batch", "2*tokens+1", … */
export function showDimension(dimension: Dimension): string | number {
  if (typeof dimension === 'number') return dimension;
  const { factor, symbols, offset } = dimension;
  const product = [...(factor === 1 ? [] : [`${factor}`]), ...symbols].join('*');
  return offset === 0 ? product : `${product}${offset < 0 ? '' : '+'}${offset}`;
}
