/** The adapter that a conversion merges into the weights or takes out of them again. */
import {
  type AdapterUpdates,
  adapterFile,
  type ModelTensors,
  parseMagnitudeName,
  readAdapterScale,
} from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, type TensorView } from '../../formats/index.js';
import { type ConversionSource, openSource } from './source.js';

export interface AdapterOptions {
  /** A PEFT folder or a file of adapter matrices; default: those in the source itself. */
  readonly adapter?: string | undefined;
  /** Default: that of adapter_config.json. */
  readonly alpha?: number | undefined;
  /** 1 to add the update, -1 to take it away. */
  readonly sign: 1 | -1;
}

/** By our own path of the layer. @throws InputError for an adapter that does not fit or whose alpha nobody tells */
export function adapterUpdates(source: ConversionSource, options: AdapterOptions): AdapterUpdates {
  const { adapter, alpha, sign } = options;
  const isFolder = adapter !== undefined && fileStatus(adapter)?.isDirectory() === true;
  const from = adapter === undefined ? source : openSource(isFolder ? adapterFile(adapter) : adapter);
  const where = adapter ?? source.checkpoint.path;
  const halves = new Map<string, { a?: TensorView; b?: TensorView }>();
  for (const [path, view] of from.model.weights) {
    const [, layer, part] = /^(.*)\.lora([AB])$/.exec(path) ?? [];
    if (layer === undefined) continue;
    halves.set(layer, { ...halves.get(layer), ...(part === 'A' ? { a: view } : { b: view }) });
  }
  refuseMagnitudes(where, from.model);
  refuseRest(where, from.model);
  if (halves.size === 0) throw new InputError(`${where} holds no LoRA matrices to merge.`);
  const updates = new Map<string, { a: TensorView; b: TensorView; scale: number }>();
  for (const [layer, { a, b }] of halves) {
    const weight = source.model.weights.get(`${layer}.weight`);
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
  const rest = [...weights.keys(), ...others.keys()].find((name) => name.startsWith('base_model.model.'));
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
