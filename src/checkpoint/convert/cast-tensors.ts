/** The link `cast`: the dtype that each weight gets. */
import type { FileDtype } from '../../formats/index.js';
import type { NameScheme } from '../name-scheme.js';
import type { WeightTables } from '../weight-tables.js';
import type { ChainTensor, NamedViews } from './chain-tensor.js';
import { isCastable } from './tensor-content.js';

export interface CastRules {
  /** Default: as they are. */
  readonly dtype: FileDtype | undefined;
  /** Cast what the family keeps in float32 as well. Default false. */
  readonly castEmbedding?: boolean;
  readonly castNorm?: boolean;
}

/** @param scheme of the output: one may keep norms and biases wide */
export function castTensors(
  tensors: NamedViews,
  rules: CastRules,
  tables: Pick<WeightTables, 'keepsFloat32'>,
  scheme: NameScheme,
): NamedViews {
  const isWide = ({ view, paths: [path] }: ChainTensor): boolean =>
    (scheme.float32Vectors === true && view.shape.length === 1) ||
    (path !== undefined && scheme.keepsFloat32?.(path) === true);
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const dtype = isWide(tensor) ? 'float32' : targetDtype(name, tensor, rules, tables);
      return [name, { ...tensor, dtype }];
    }),
  );
}

function targetDtype(
  name: string,
  { view, dtype: present, paths: [path = name] }: ChainTensor,
  { dtype, castEmbedding = false, castNorm = false }: CastRules,
  { keepsFloat32 }: Pick<WeightTables, 'keepsFloat32'>,
): FileDtype {
  if (dtype === undefined || !isCastable(view.dtype)) return present;
  const kept = keepsFloat32?.(path);
  const isKept = (kept === 'embedding' && !castEmbedding) || (kept === 'norm' && !castNorm);
  return isKept && dtype !== 'float64' ? 'float32' : dtype;
}

/** Halves of adapters: all in one dtype. */
export function castHalves(tensors: NamedViews, dtype: FileDtype | undefined): NamedViews {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      dtype === undefined || !isCastable(tensor.view.dtype) ? tensor : { ...tensor, dtype },
    ]),
  );
}
