/** What an adapter adds to weights, or takes from them: its matrices as views, layer by layer. */
import { InputError } from '../../errors/index.js';
import { sameBytes, type TensorView } from '../../formats/index.js';
import { loraScale } from '../../lora/index.js';
import type { ModelTensors } from '../model-tensors.js';
import type { ModelTables } from '../parallel-layout.js';
import { checkTokens } from './adapted-embedding.js';
import { readAdapterScale } from './adapter-config.js';
import {
  type AdapterFile,
  type AdapterLayer,
  adapterViews,
  isLinearLayer,
  type LayerSizes,
  wholeView,
} from './adapter-file.js';
import { adapterHalf } from './adapter-halves.js';
import { type AdapterPart, PEFT_PREFIX, parseMagnitudeName } from './adapter-names.js';
import { withTiedOutput } from './tied-output.js';

export interface AdapterUpdate {
  readonly a: TensorView; // [R, I]
  readonly b: TensorView; // [O, R]
  /** Negative to take the update away. */
  readonly scale: number;
  readonly magnitude?: TensorView; // [O]
  /** Added to the layer's bias. */
  readonly bias?: { readonly view: TensorView; readonly scale: number }; // [O]
  /** A [R, V] and B [D, R] of a table [V, D]. Default false. */
  readonly isEmbedding?: boolean;
}

/** By our own path of the layer. */
export type AdapterUpdates = ReadonlyMap<string, AdapterUpdate>;

/** All that an adapter changes. */
export interface AdapterChanges {
  readonly updates: AdapterUpdates;
  /** Parameters that take the place of the model's, by our own path. */
  readonly whole: ReadonlyMap<string, TensorView>;
  /** Rows that take the place of a parameter's, by our own path. */
  readonly rows: ReadonlyMap<string, { readonly view: TensorView; readonly numbers: readonly number[] }>;
}

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

/**
 * What the file of an adapter changes. An `alpha` given holds for all its layers.
 * @param weights of the source, by own path
 * @param tables of its family
 * @throws InputError for an adapter that does not fit, or cannot be taken out again
 */
export function fileChanges(
  file: AdapterFile,
  weights: ReadonlyMap<string, TensorView>,
  { names, sharding }: ModelTables,
  options: UpdateOptions,
): AdapterChanges {
  const adapter = withTiedOutput(file, names, weights, (view) => {
    const table = weights.get(names.embeddingWeight ?? '');
    return table !== undefined && table.dtype === view.dtype && sameBytes(table, view);
  });
  const { path, layers, whole } = adapter;
  if (layers.size + whole.size === 0) throw new InputError(`${path} holds no LoRA matrices to merge.`);
  const updates = new Map<string, AdapterUpdate>();
  const rows = new Map<string, { view: TensorView; numbers: readonly number[] }>();
  for (const [ownPath, layer] of layers) {
    const weight = weights.get(`${ownPath}.weight`);
    if (weight === undefined)
      throw new InputError(`${path} adapts ${ownPath}, which the source does not have.`);
    const views = adapterViews(adapter, ownPath, sizesOf(layer, weight, sharding.linearLayout));
    const update = updateOf(adapter, ownPath, layer, views, options);
    if (update !== undefined) updates.set(ownPath, update);
    if (update?.bias !== undefined && !weights.has(`${ownPath}.bias`))
      throw new InputError(
        `${path}: tensor "${layer.parts.loraBias}" is a bias for ${ownPath}, which has none in this model: the adapter cannot be ` +
          'merged, only used beside the model (--adapter).',
      );
    const tokens = views.get('tokens');
    if (tokens === undefined || layer.tokens === undefined) continue;
    checkTokens(layer.tokens, weight.shape[0] ?? 0);
    rows.set(`${ownPath}.weight`, { view: tokens, numbers: layer.tokens });
  }
  const [replaced] = [...whole.keys()].filter((ownPath) => !isCopyOf(adapter, ownPath, weights.get(ownPath)));
  if (options.sign < 0 && (rows.size > 0 || replaced !== undefined))
    throw new InputError(
      `${path}: it replaces whole rows or tensors, which cannot be taken out of the weights again.`,
    );
  return {
    updates,
    rows,
    whole: new Map(
      [...whole.keys()].map((ownPath) => {
        const weight = weights.get(ownPath);
        if (weight === undefined)
          throw new InputError(`${path} replaces ${ownPath}, which the source does not have.`);
        return [ownPath, wholeView(adapter, ownPath, weight.shape)];
      }),
    ),
  };
}

/** PEFT keeps copies of frozen embeddings. */
function isCopyOf({ tensors, whole }: AdapterFile, ownPath: string, weight: TensorView | undefined): boolean {
  const view = tensors.get(whole.get(ownPath) ?? '');
  return view !== undefined && weight !== undefined && view.dtype === weight.dtype && sameBytes(view, weight);
}

function sizesOf(layer: AdapterLayer, { shape }: TensorView, layout: 'out-in' | 'in-out'): LayerSizes {
  const [first = 0, second = 0] = shape;
  return isLinearLayer(layer) && layout === 'out-in'
    ? { inFeatures: second, outFeatures: first }
    : { inFeatures: first, outFeatures: second };
}

function updateOf(
  { path }: AdapterFile,
  ownPath: string,
  layer: AdapterLayer,
  views: ReadonlyMap<AdapterPart, TensorView>,
  { alpha, sign }: UpdateOptions,
): AdapterUpdate | undefined {
  const isEmbedding = !isLinearLayer(layer);
  const [a, b] = isEmbedding
    ? [views.get('embeddingA'), views.get('embeddingB')]
    : [views.get('loraA'), views.get('loraB')];
  if (a === undefined || b === undefined) return undefined;
  const scale = sign * (alpha === undefined ? loraScale(layer.options) : alpha / layer.options.rank);
  const [magnitude, bias] = [views.get('loraMagnitude'), views.get('loraBias')];
  if (magnitude !== undefined && sign < 0)
    throw new InputError(`${path}: an adapter of DoRA cannot be taken out of the weights again.`);
  if (magnitude !== undefined && bias !== undefined)
    throw new InputError(
      `${path}: layer ${ownPath} has a magnitude and a bias, which are not merged together.`,
    );
  return {
    a,
    b,
    scale,
    ...(magnitude !== undefined && { magnitude }),
    ...(bias !== undefined && { bias: { view: bias, scale } }),
    ...(isEmbedding && { isEmbedding }),
  };
}

/** @throws InputError for the magnitudes of a DoRA adapter: without them its matrices are worth nothing */
export function refuseMagnitudes(where: string, { others }: ModelTensors): void {
  const magnitude = [...others.keys()].find((name) => parseMagnitudeName(name) !== undefined);
  if (magnitude === undefined) return;
  throw new InputError(
    `${where} holds "${magnitude}": an adapter of DoRA, which is not converted, but merged into its model ` +
      '(--merge --adapter) or loaded beside it (--adapter).',
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
