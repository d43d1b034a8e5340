/** A stretch of positions as the rope_scaling of transformers' Llama. */
import type { RopeStretch } from './rope-keys.js';

/** @returns undefined: none is needed; a string: what transformers lacks */
export function transformersScaling(
  stretch: RopeStretch,
): Readonly<Record<string, unknown>> | string | undefined {
  switch (stretch.type) {
    case 'default':
      return undefined;
    case 'divisors':
      return 'its rotary frequencies have divisors of their own, for which transformers has no key';
    case 'linear':
    case 'dynamic':
      return { rope_type: stretch.type, factor: stretch.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: stretch.factor,
        low_freq_factor: stretch.lowFreqFactor,
        high_freq_factor: stretch.highFreqFactor,
        original_max_position_embeddings: stretch.original,
      };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: stretch.factor,
        original_max_position_embeddings: stretch.original,
        beta_fast: stretch.betaFast,
        beta_slow: stretch.betaSlow,
        truncate: stretch.truncate,
        attention_factor: stretch.scale,
      };
    default:
      return stretch satisfies never;
  }
}
