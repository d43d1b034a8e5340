/** Which layers of a Qwen2 or Qwen3 look at a sliding window only. */
import { z } from 'zod';

const positive = z.int().positive();

export const layerWindowKeys = {
  use_sliding_window: z.boolean().nullish(),
  /** Of no meaning unless use_sliding_window is true. */
  sliding_window: positive.nullable().default(4096),
  /** Layers from this one on slide, where layer_types does not say it. */
  max_window_layers: z.int().nonnegative().nullable().default(28),
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
};

export interface LayerWindowConfig {
  readonly num_hidden_layers: number;
  readonly use_sliding_window?: boolean | null | undefined;
  readonly sliding_window: number | null;
  readonly max_window_layers: number | null;
  readonly layer_types?: readonly ('full_attention' | 'sliding_attention')[] | null | undefined;
}

/** What contradicts the number of layers, or asks for a window that there is not. */
export function checkLayerWindows(
  config: LayerWindowConfig,
  refuse: (key: string, message: string) => void,
): void {
  const { layer_types: types, num_hidden_layers: layers } = config;
  if (types === null || types === undefined) {
    if (windowOf(config) !== undefined && config.max_window_layers === null)
      refuse('max_window_layers', 'sliding layers need max_window_layers or layer_types');
    return;
  }
  if (types.length !== layers)
    refuse('layer_types', `layer_types names ${types.length} layers, num_hidden_layers is ${layers}`);
  if (types.includes('sliding_attention') && windowOf(config) === undefined)
    refuse(
      'layer_types',
      'sliding_attention needs "use_sliding_window": true and a sliding_window; without them write full_attention',
    );
}

/** @returns for each layer the tokens that a query sees at most; undefined: all */
export function layerWindows(config: LayerWindowConfig): (number | undefined)[] {
  const { num_hidden_layers: layers, layer_types: types, max_window_layers: firstSliding } = config;
  const window = windowOf(config);
  return Array.from({ length: layers }, (_, layer) => {
    const slides =
      types?.[layer] === undefined ? layer >= (firstSliding ?? 0) : types[layer] === 'sliding_attention';
    return slides ? window : undefined;
  });
}

function windowOf({
  use_sliding_window: isUsed,
  sliding_window: window,
}: LayerWindowConfig): number | undefined {
  return isUsed === true && window !== null ? window : undefined;
}

/** The narrowest; undefined: no layer has one. */
export function narrowestWindow(windows: readonly (number | undefined)[]): number | undefined {
  const given = windows.filter((window) => window !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}
