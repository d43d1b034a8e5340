/** Bytes of each number that a run keeps, by precision: one row a precision. */

export const PRECISIONS = ['float32', 'float64', 'bfloat16', 'bfloat16-mixed', 'float16-mixed'] as const;
export type Precision = (typeof PRECISIONS)[number];

export interface PrecisionBytes {
  /** A parameter, an activation, a fresh gradient. */
  readonly compute: number;
  /** A gradient summed over several micro-batches. */
  readonly summedGradient: number;
  /** The two moments of AdamW together. */
  readonly moments: number;
  /** The float32 copy that the optimiser updates; 0: it updates the parameter itself. */
  readonly master: number;
  /** What norms, the loss and the statistics of attention are computed in. */
  readonly wide: number;
}

export const BYTES: Readonly<Record<Precision, PrecisionBytes>> = {
  float32: { compute: 4, summedGradient: 4, moments: 8, master: 0, wide: 4 },
  float64: { compute: 8, summedGradient: 8, moments: 16, master: 0, wide: 8 },
  bfloat16: { compute: 2, summedGradient: 4, moments: 4, master: 0, wide: 4 },
  'bfloat16-mixed': { compute: 2, summedGradient: 4, moments: 8, master: 4, wide: 4 },
  'float16-mixed': { compute: 2, summedGradient: 4, moments: 8, master: 4, wide: 4 },
};

/** AdamW widens gradients of 16 bit for its masters in chunks of so many elements, or a tensor where that is more. */
export const UPDATE_CHUNK_ELEMENTS = 2 ** 24;
