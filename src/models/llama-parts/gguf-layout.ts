/** The Llama layout in llama.cpp. Where it cannot turn positions as the model does, the refusal says so. */
import { type GgufLayout, type GgufRefusal, ggufScheme } from '../convert/gguf/gguf-layout.js';
import { llamaLayoutRows } from './gguf-rows.js';
import { type LayoutConfig, layoutRope, layoutShape } from './layout-keys.js';

interface LayoutGgufOptions {
  readonly architecture: 'llama' | 'qwen2' | 'qwen3';
  /** Narrowest window of a layer: these architectures have none, so that the context ends there. */
  readonly window?: number | undefined;
}

export function llamaLayoutGguf(
  config: LayoutConfig & { readonly rms_norm_eps: number },
  { architecture, window = Number.POSITIVE_INFINITY }: LayoutGgufOptions,
): GgufLayout | GgufRefusal {
  const shape = layoutShape(config);
  const { base } = layoutRope(config);
  return {
    architecture,
    contextLength: Math.min(shape.contextLength, window),
    normEpsilon: config.rms_norm_eps,
    ropeBase: base,
    scheme: ggufScheme(llamaLayoutRows(shape, architecture === 'llama' ? 'neighbours' : 'halves')),
  };
}
