/** How the weights of a model will lie in memory: as its files have them, or as they would once they are quantised. */
import {
  type HeldIntegers,
  type HeldWeights,
  heldIntegers,
  heldWeights,
  publishedLayer,
} from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { Embedding, namedLinears } from '../nn/index.js';
import type { FloatDType } from '../tensor/index.js';
import { type Architecture, configValue } from './family.js';

/** @param dtype of the floats. Default: that of the files @throws InputError for files that are not a model's */
export function weightsOfFiles(path: string, architecture: Architecture, dtype?: FloatDType): HeldWeights {
  const model = architecture.createModel();
  const held = heldWeights(model, architecture.tables, path, dtype);
  model.dispose();
  return held;
}

export interface PlannedQuantization {
  readonly bits: 4 | 8;
  /** Inputs that share a scale, or row: all of them. Default: the largest of 128, 64 and 32 that divides all. */
  readonly groupSize?: number | 'row' | undefined;
  /** Embedding and output projection, too, of so many bits. Default: they stay floats. */
  readonly ends?: 4 | 8 | undefined;
}

/** The usual sizes. */
const GROUPS = [128, 64, 32] as const;

/**
 * As `quantizeModel` would make of it: the matrices of the blocks. Experts of a mixture are held as floats, however their files have them.
 * @param dtype of the floats @throws InputError for groups that do not divide a layer
 */
export function weightsOnceQuantized(
  architecture: Architecture,
  { bits, groupSize, ends }: PlannedQuantization,
  dtype: FloatDType,
): HeldWeights {
  const model = architecture.createModel();
  const { names } = architecture;
  const isEnd = (path: string): boolean =>
    `${path}.weight` === names.headWeight || `${path}.weight` === names.embeddingWeight;
  const layers = [...namedLinears(model)].filter(([path]) => path.startsWith('layers.') || isEnd(path));
  const shapes = new Map<string, readonly [number, number]>();
  for (const [path, { outFeatures, inFeatures }] of layers)
    if (!isEnd(path) || ends !== undefined) shapes.set(path, [outFeatures, inFeatures]);
  if (ends !== undefined)
    for (const [path, table] of model.namedModules())
      if (table instanceof Embedding) {
        const [rows = 0, columns = 0] = table.weight.shape;
        shapes.set(path, [rows, columns]);
      }
  const usual =
    GROUPS.find((size) => [...shapes.values()].every(([, inFeatures]) => inFeatures % size === 0)) ?? 'row';
  const size = groupSize ?? usual;
  const integers = new Map<string, HeldIntegers>();
  for (const [path, shape] of shapes) {
    const [, inFeatures] = shape;
    if (size !== 'row' && inFeatures % size !== 0)
      throw new InputError(
        `--group-size ${size}: it does not divide the ${inFeatures} inputs of ${publishedLayer(names, path)}; what fits all layers is ` +
          `${[...GROUPS.filter((one) => [...shapes.values()].every(([, inputs]) => inputs % one === 0)), 'row'].join(', ')}.`,
      );
    integers.set(
      path,
      heldIntegers(shape, {
        bits: isEnd(path) || !path.startsWith('layers.') ? (ends ?? bits) : bits,
        groupSize: size === 'row' ? inFeatures : size,
        scaleBytes: 2,
        hasOrder: false,
      }),
    );
  }
  model.dispose();
  return { dtype, integers, castBytes: 0 };
}

/** What a config says of its weights, where there are none to look at. Default: float32 */
export function dtypeOfConfig({ publishedConfig }: Architecture): FloatDType {
  const said = configValue(publishedConfig, 'dtype') ?? configValue(publishedConfig, 'torch_dtype');
  return said === 'bfloat16' || said === 'float16' || said === 'float64' ? said : 'float32';
}
