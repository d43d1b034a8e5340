/** Records a family's own forward pass on tensors without memory, with keys and values of earlier tokens as inputs. */
import type { CausalLm } from '../../models/index.js';
import { empty, type FloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { type CachedKeys, cachedContext } from './cached-context.js';
import { type Sizes, TRACED_SIZES } from './dimension.js';
import { recordCalls } from './record-calls.js';
import type { RotationTables } from './rotation-tables.js';
import { mergeRecordings, type TracedGraph } from './traced-graph.js';

export const WEIGHT_PREFIX = 'weight.';
export const ROTATION_PREFIX = 'rotation.';

/** The tables by their names in the graph. */
export function rotationTensors({ cos, sin, starts, scales }: RotationTables): Map<string, Tensor> {
  return new Map(
    Object.entries({ cos, sin, starts, scales }).flatMap(([name, tensor]) =>
      tensor === undefined ? [] : [[ROTATION_PREFIX + name, tensor] as const],
    ),
  );
}

/**
 * @param model on the meta device, in the dtype of the graph
 * @returns a graph from input_ids, attention_mask, position_ids and past_key_values.{i}.key|value to logits and
 * present.{i}.key|value; weights are named `weight.OWN_PATH`, tables of rotation `rotation.NAME`
 */
export function traceModel(model: CausalLm, tables: RotationTables, dtype: FloatDType): TracedGraph {
  return mergeRecordings(
    TRACED_SIZES.map((sizes) => noGrad(() => scope(() => recordRun(model, tables, dtype, sizes)))),
  );
}

function recordRun(model: CausalLm, tables: RotationTables, dtype: FloatDType, sizes: Sizes) {
  const { batch, tokens, past: cached, total } = sizes;
  const { numLayers, numKvHeads, headDim } = model.shape;
  const integers = (...shape: number[]): Tensor => empty(shape, { device: 'meta', dtype: 'int64' });
  const inputIds = integers(batch, tokens);
  const attentionMask = integers(batch, total);
  const positionIds = integers(batch, tokens);
  const past = Array.from({ length: numLayers }, (): CachedKeys => {
    const cache = (): Tensor => empty([batch, numKvHeads, cached, headDim], { device: 'meta', dtype });
    return { keys: cache(), values: cache() };
  });
  const withoutMemory = new Map(
    [...rotationTensors(tables)].map(([name, { shape, dtype }]) => [
      name,
      empty(shape, { device: 'meta', dtype }),
    ]),
  );
  const table = (name: string): Tensor | undefined => withoutMemory.get(ROTATION_PREFIX + name);
  const { cos = tables.cos, sin = tables.sin } = { cos: table('cos'), sin: table('sin') };
  const metaTables = { ...tables, cos, sin, starts: table('starts'), scales: table('scales') };
  const named = new Map<string, Tensor>([
    ['input_ids', inputIds],
    ['attention_mask', attentionMask],
    ['position_ids', positionIds],
    ...past.flatMap(({ keys, values }, layer): [string, Tensor][] => [
      [`past_key_values.${layer}.key`, keys],
      [`past_key_values.${layer}.value`, values],
    ]),
    ...model.namedParameters().map(([path, tensor]): [string, Tensor] => [WEIGHT_PREFIX + path, tensor]),
    ...withoutMemory,
  ]);
  return recordCalls(named, () => {
    const present: CachedKeys[] = [];
    const context = cachedContext(model, { attentionMask, positionIds, past, tables: metaTables }, present);
    // Not hiddenStates(): what its scopes free could not be told apart.
    let hidden = model.embed(inputIds);
    for (const [layer, block] of model.layers.entries()) hidden = block.forward(hidden, context, layer);
    return new Map([
      ['logits', model.head(hidden).to('float32')],
      ...present.flatMap(({ keys, values }, layer): [string, Tensor][] => [
        [`present.${layer}.key`, keys],
        [`present.${layer}.value`, values],
      ]),
    ]);
  });
}
