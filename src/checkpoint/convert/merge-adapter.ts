/** The link `merge`: what an adapter changes goes beside the weight that it changes, or takes its place. */
import type { AdapterChanges } from '../adapters/adapter-updates.js';
import type { ChainTensor, NamedViews } from './chain-tensor.js';

/**
 * @param weights by own path
 * @param linearLayout how the weights of linear layers lie
 */
export function mergeAdapter(
  weights: NamedViews,
  { updates, whole, rows }: AdapterChanges,
  linearLayout: 'out-in' | 'in-out',
): NamedViews {
  return new Map(
    [...weights].map(([path, tensor]) => {
      const [, layer = '', kind] = /^(.*)\.(weight|bias)$/.exec(path) ?? [];
      const { bias, isEmbedding = false, ...update } = updates.get(layer) ?? {};
      const replaced = rows.get(path);
      const changed: ChainTensor = {
        ...tensor,
        view: whole.get(path) ?? tensor.view,
        ...(kind === 'weight' &&
          'a' in update && { update: { ...update, layout: isEmbedding ? 'in-out' : linearLayout } }),
        ...(kind === 'bias' && bias !== undefined && { addend: bias }),
        ...(replaced !== undefined && { rows: replaced }),
      };
      return [path, changed];
    }),
  );
}
