/** The dtype that a run computes in. */
import type { FloatDType } from '../../tensor/index.js';
import type { Precision } from '../plan/byte-table.js';

/** The dtype of the weights and activations; masters and optimiser states of the mixed ones are float32. */
export function computeDType(precision: Precision): FloatDType {
  switch (precision) {
    case 'float32':
    case 'float64':
    case 'bfloat16':
      return precision;
    case 'bfloat16-mixed':
      return 'bfloat16';
    case 'float16-mixed':
      return 'float16';
  }
}
