/** Which products of a linear layer are measured: plain data, without what computes. */

export interface LinearProductsSettings {
  /** Each: rows, input features, output features. */
  readonly shapes: readonly (readonly [rows: number, inputs: number, outputs: number])[];
  /** For each product. */
  readonly seconds: number;
  readonly threads?: number | undefined;
}

export const LINEAR_PRODUCTS = ['forward', 'gradInput', 'gradWeight'] as const;
export type LinearProduct = (typeof LINEAR_PRODUCTS)[number];

/** The key of a product's GFLOP/s: "1024x512x1536 forward". */
export function productKey(
  [rows, inputs, outputs]: readonly [number, number, number],
  product: LinearProduct,
): string {
  return `${rows}x${inputs}x${outputs} ${product}`;
}
