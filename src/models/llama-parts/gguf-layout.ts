/** The Llama layout in llama.cpp. Where it cannot turn positions as the model does, the refusal says so. */
import { type GgufLayout, type GgufRefusal, ggufScheme } from '../convert/gguf/gguf-layout.js';
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
  const stretched = stretchKeys(stretch, architecture, () => layoutRotation(config).divisors);
  if (typeof stretched === 'string') return { unsupported: stretched };
  // A dynamic base grows beyond the length of training, llama.cpp's does not.
  const contextLength = stretch.type === 'dynamic' ? config.max_position_embeddings : shape.contextLength;
  return {
    architecture,
    contextLength: Math.min(contextLength, window),
    normEpsilon: config.rms_norm_eps,
    ropeBase: base,
    ...stretched,
    scheme: ggufScheme(llamaLayoutRows(shape, architecture === 'llama' ? 'neighbours' : 'halves')),
  };
}

type StretchKeys = Pick<GgufLayout, 'ropeScaling' | 'frequencyDivisors' | 'attentionFactor'>;

/**
 * Llama 3's stretch lies in a tensor alone, and so does what of YaRN no key says; the tensor of that is Llama's.
 * @returns a text: what llama.cpp lacks
 */
function stretchKeys(
  stretch: RopeStretch,
  architecture: LayoutGgufOptions['architecture'],
  divisors: () => readonly number[] | undefined,
): StretchKeys | string {
  switch (stretch.type) {
    case 'default':
    case 'dynamic':
      return {};
    case 'llama3':
    case 'divisors':
      return { frequencyDivisors: divisors() };
    case 'linear':
      return { ropeScaling: { type: 'linear', factor: stretch.factor } };
    case 'yarn': {
      const { factor, original, betaFast, betaSlow, truncate, scale } = stretch;
      const hasUsualBounds = betaFast === 32 && betaSlow === 1 && truncate;
      // llama.cpp multiplies its YaRN with this by itself.
      const own = hasUsualBounds ? yarnScale(factor) : 1;
      const attention = scale === own ? {} : { attentionFactor: scale / own };
      if (hasUsualBounds) return { ropeScaling: { type: 'yarn', factor, original }, ...attention };
      if (architecture === 'llama') return { frequencyDivisors: divisors(), ...attention };
      return `llama.cpp has YaRN with its usual bounds only in ${architecture}, and this model's config names others`;
    }
    default:
      return stretch satisfies never;
  }
}
