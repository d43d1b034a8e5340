/** The Llama layout in llama.cpp. Where it cannot turn positions as the model does, the refusal says so. */
import {
  type GgufLayout,
  type GgufRefusal,
  type GgufRopeScaling,
  ggufScheme,
} from '../convert/gguf/gguf-layout.js';
import { llamaLayoutRows } from './gguf-rows.js';
import { type LayoutConfig, layoutRope, layoutRotation, layoutShape } from './layout-keys.js';
import type { RopeStretch } from './rope-keys.js';
import { yarnScale } from './rotation.js';

interface LayoutGgufOptions {
  readonly architecture: 'llama' | 'qwen2' | 'qwen3' | 'qwen3moe';
  /** Narrowest window of a layer: these architectures have none, so that the context ends there. */
  readonly window?: number | undefined;
}

export function llamaLayoutGguf(
  config: LayoutConfig & { readonly rms_norm_eps: number },
  { architecture, window = Number.POSITIVE_INFINITY }: LayoutGgufOptions,
): GgufLayout | GgufRefusal {
  const shape = layoutShape(config);
  const { base, stretch } = layoutRope(config);
  const ropeScaling = scalingOf(stretch);
  if (typeof ropeScaling === 'string') return { unsupported: ropeScaling };
  // A dynamic base grows beyond the length of training, llama.cpp's does not.
  const contextLength = stretch.type === 'dynamic' ? config.max_position_embeddings : shape.contextLength;
  return {
    architecture,
    contextLength: Math.min(contextLength, window),
    normEpsilon: config.rms_norm_eps,
    ropeBase: base,
    ropeScaling,
    // No key says it: these stretches lie in a tensor alone.
    frequencyDivisors:
      stretch.type === 'llama3' || stretch.type === 'divisors' ? layoutRotation(config).divisors : undefined,
    scheme: ggufScheme(llamaLayoutRows(shape, architecture === 'llama' ? 'neighbours' : 'halves')),
  };
}

/** @returns what llama.cpp lacks */
function scalingOf(stretch: RopeStretch): GgufRopeScaling | string | undefined {
  switch (stretch.type) {
    case 'default':
    case 'dynamic':
    case 'llama3':
    case 'divisors':
      return undefined;
    case 'linear':
      return { type: 'linear', factor: stretch.factor };
    case 'yarn': {
      const { factor, original, betaFast, betaSlow, truncate, scale } = stretch;
      if (betaFast !== 32 || betaSlow !== 1 || !truncate || scale !== yarnScale(factor))
        return "llama.cpp has YaRN with its usual bounds and scale only, and this model's config names others";
      return { type: 'yarn', factor, original };
    }
  }
}
