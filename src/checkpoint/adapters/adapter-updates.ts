/** What an adapter adds to weights, or takes from them: its matrices as views, layer by layer. */
import { InputError } from '../../errors/index.js';
import type { TensorView } from '../../formats/index.js';
import type { ModelTensors } from '../model-tensors.js';
import { readAdapterScale } from './adapter-config.js';
import { adapterHalf } from './adapter-halves.js';
import { PEFT_PREFIX, parseMagnitudeName } from './adapter-names.js';

/** By our own path of the layer. */
export type AdapterUpdates = ReadonlyMap<string, { a: TensorView; b: TensorView; scale: number }>;

/** An adapter, or a checkpoint that holds one among its weights. */
export interface AdapterTensors {
  readonly path: string;
  readonly tensors: ModelTensors;
}

export interface UpdateOptions {
  /** Default: that of adapter_config.json. */
  readonly alpha?: number | undefined;
  /** 1 to add the update, -1 to take it away. */
  readonly sign: 1 | -1;
}

/** @throws InputError for an adapter that does not fit or whose alpha nobody tells */
export function adapterUpdates(
  weights: ReadonlyMap<string, TensorView>,
  { path: where, tensors }: AdapterTensors,
  { alpha, sign }: UpdateOptions,
): AdapterUpdates {
  const halves = new Map<string, { a?: TensorView; b?: TensorView }>();
  for (const [path, view] of tensors.weights) {
    const half = adapterHalf(path);
    if (half === undefined) continue;
    const { layer, part } = half;
    halves.set(layer, { ...halves.get(layer), ...(part === 'loraA' ? { a: view } : { b: view }) });
  }
  refuseMagnitudes(where, tensors);
  refuseRest(where, tensors);
  if (halves.size === 0) throw new InputError(`${where} holds no LoRA matrices to merge.`);
  const updates = new Map<string, { a: TensorView; b: TensorView; scale: number }>();
  for (const [layer, { a, b }] of halves) {
    const weight = weights.get(`${layer}.weight`);
    if (weight === undefined)
      throw new InputError(`${where} adapts ${layer}, which the source does not have.`);
    if (a === undefined || b === undefined)
      throw new InputError(`${where}: layer ${layer} has no ${a === undefined ? 'A' : 'B'} matrix.`);
    const rank = a.shape[0] ?? 1;
    const scale = alpha === undefined ? readAdapterScale(where, rank) : alpha / rank;
    checkShapes(where, layer, weight, a, b);
    updates.set(layer, { a, b, scale: sign * scale });
  }
  return updates;
}

/** @throws InputError for the magnitudes of a DoRA adapter: without them its matrices are worth nothing */
export function refuseMagnitudes(where: string, { others }: ModelTensors): void {
  const magnitude = [...others.keys()].find((name) => parseMagnitudeName(name) !== undefined);
  if (magnitude === undefined) return;
  throw new InputError(
    `${where} holds "${magnitude}": an adapter of DoRA, which is neither converted nor merged by a conversion; load it beside ` +
      'its model with --adapter.',
  );
}

/** What belongs to the adapter, but is no LoRA matrix of a layer that we know: merging would silently lose it. */
function refuseRest(where: string, { weights, others }: ModelTensors): void {
  const rest = [...weights.keys(), ...others.keys()].find((name) => name.startsWith(PEFT_PREFIX));
  if (rest === undefined) return;
  throw new InputError(
    `${where} holds "${rest}", which is no LoRA matrix of a layer of this model; it belongs to another model or another method.`,
  );
}

function checkShapes(where: string, layer: string, weight: TensorView, a: TensorView, b: TensorView): void {
  const [rank, input] = a.shape;
  const [output, other] = b.shape;
  const sizes = new Set([`${output},${input}`, `${input},${output}`]);
  if (rank !== undefined && rank > 0 && rank === other && sizes.has(weight.shape.join())) return;
  throw new InputError(
    `${where}: layer ${layer} is [${weight.shape.join(', ')}], the adapter's A [${a.shape.join(', ')}] and B ` +
      `[${b.shape.join(', ')}] do not fit it; it belongs to another model.`,
  );
}
