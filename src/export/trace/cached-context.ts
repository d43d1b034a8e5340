/**
 * How the blocks of a model attend in an exported graph: to keys and values that came in and those of the new tokens, which go out
 * together. A row may begin with padding.
 *
 * Shapes: B batch, T new tokens, P cached ones, S = P + T, K heads of keys and values, E head_dim.
 */
import type { CausalLm, ForwardContext } from '../../models/index.js';
import { applyRotary, groupedAttention, type Rotary } from '../../nn/index.js';
import { arange, cat, operator, type Tensor } from '../../tensor/index.js';
import type { RotationTables } from './rotation-tables.js';

const lookUp = operator('aten::embedding');
const atLeast = operator('aten::clamp_min');
const sumOf = operator('aten::sum.dim_IntList');

const NO_PADDING = -1;

export interface CachedKeys {
  readonly keys: Tensor; // [B, K, P or S, E]
  readonly values: Tensor;
}

export interface CachedInputs {
  /** 1 where a token is real, of cached and new ones. */
  readonly attentionMask: Tensor; // int64 [B, S]
  readonly positionIds: Tensor; // int64 [B, T]
  readonly past: readonly CachedKeys[];
  readonly tables: RotationTables;
}

/** @param present gets the keys and values of each layer */
export function cachedContext(
  model: CausalLm,
  { attentionMask, positionIds, past, tables }: CachedInputs,
  present: CachedKeys[],
): ForwardContext {
  const total = attentionMask.size(1);
  const cached = total - positionIds.size(1);
  const rotary = rotation(positionIds, total, tables);
  const allRotary = model.cachesUnrotatedKeys
    ? rotation(keyPositions(positionIds, total), total, tables)
    : undefined;
  const visible = new Map<number | undefined, Tensor>();
  const maskOf = (window: number | undefined): Tensor => {
    const mask = visible.get(window) ?? visibleKeys(attentionMask, cached, window);
    visible.set(window, mask);
    return mask;
  };
  return {
    rotary,
    attend: (layer, q, k, v) => {
      const before = past[layer];
      if (before === undefined) throw new RangeError(`the model has no layer ${layer}`);
      const keys = cat([before.keys, k], 2);
      const values = cat([before.values, v], 2);
      present[layer] = { keys, values };
      const turned = allRotary === undefined ? keys : applyRotary(keys, allRotary);
      return groupedAttention(q, turned, values, maskOf(model.slidingWindows[layer]));
    },
  };
}

/** Of all keys, counted back from the last new token: positions of padding mean nothing. @returns int64 [B, S] */
function keyPositions(positionIds: Tensor, total: number): Tensor {
  const last = positionIds.narrow(1, positionIds.size(1) - 1, 1); // [B, 1]
  const back = arange(1 - total, 1, { device: positionIds.device }); // [S]
  return atLeast(last.add(back), 0);
}

function rotation(
  positions: Tensor,
  total: number,
  { positions: longest, cos, sin, starts, scales }: RotationTables,
): Rotary {
  const length = arange(total, total + 1, { device: positions.device }); // [1]
  let rows = positions;
  if (starts !== undefined) {
    const table = sumOf(starts.le(length).to('int64'), [0], true); // [1]
    rows = positions.add(table.mul(longest));
  }
  const scale = scales === undefined ? undefined : lookUp(scales.unsqueeze(1), length, NO_PADDING); // [1, 1]
  const table = (half: Tensor): Tensor => {
    const found = lookUp(half, rows, NO_PADDING).unsqueeze(1); // [B, 1, T, E/2]
    const scaled = scale === undefined ? found : found.mul(scale);
    return cat([scaled, scaled], 3);
  };
  return { cos: table(cos), sin: table(sin) };
}

/** @returns bool [B, 1, T, S] */
function visibleKeys(attentionMask: Tensor, cached: number, window: number | undefined): Tensor {
  const { device } = attentionMask;
  const total = attentionMask.size(1);
  const i = arange(cached, total, { device }).unsqueeze(1); // [T, 1]
  const j = arange(0, total, { device }).unsqueeze(0); // [1, S]
  const causal = j.le(i);
  const near = window === undefined ? causal : causal.logicalAnd(j.gt(i.sub(window)));
  const real = attentionMask.ne(0).unsqueeze(1).unsqueeze(1); // [B, 1, 1, S]
  // A padded query sees itself: over no key at all softmax is not a number.
  const itself = causal.logicalAnd(j.ge(i));
  return near.unsqueeze(0).unsqueeze(0).logicalAnd(real).logicalOr(itself);
}
