/** Of what a cost is measured, and under which keys: plain data, without what computes. */
import type { ModelSize } from '../materials/model-sizes.js';

export const COST_KINDS = ['context', 'batch', 'queue', 'rows', 'model-size'] as const;
export type CostKind = (typeof COST_KINDS)[number];

export interface CostSettings {
  readonly kind: CostKind;
  /** Of `context`, `batch` and `queue`. */
  readonly model: string;
  /** Where files may be written; each run takes its own away. */
  readonly folder: string;
  /** Of `rows`. */
  readonly records: string;
  readonly tokenizer: string;
  /** In this order; of `model-size` numbers of layers. */
  readonly sizes: readonly number[];
  readonly threads?: number | undefined;
}

/** The key of a size's milliseconds. */
export const timeKey = (size: number): string => `ms at ${size}`;
/** Of a conversion's memory. */
export const memoryKey = (size: number): string => `MiB at ${size}`;

/** The model whose layers are counted. */
export const sizeOfLayers = (layers: number): ModelSize => ({
  layers,
  hidden: 512,
  ffn: 1376,
  heads: 8,
  kvHeads: 8,
  vocab: 1000,
});
