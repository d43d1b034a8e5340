/** The link `merge`: the update of an adapter goes beside the weight that it is added to. */
import type { AdapterUpdates } from '../adapters/adapter-updates.js';
import type { NamedViews } from './chain-tensor.js';

/**
 * @param weights by own path
 * @param linearLayout how the weights of linear layers lie
 */
export function mergeAdapter(
  weights: NamedViews,
  updates: AdapterUpdates,
  linearLayout: 'out-in' | 'in-out',
): NamedViews {
  return new Map(
    [...weights].map(([path, tensor]) => {
      const [, layer] = /^(.*)\.weight$/.exec(path) ?? [];
      const update = layer === undefined ? undefined : updates.get(layer);
      return [
        path,
        update === undefined ? tensor : { ...tensor, update: { ...update, layout: linearLayout } },
      ];
    }),
  );
}
