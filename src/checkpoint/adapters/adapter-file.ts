/**
 * LoRA adapters on disk: a PEFT folder (adapter_config.json beside adapter_model.safetensors or .bin), or a file in any of the
 * published spellings (adapter-names.ts). Reading recognises the spelling.
 */
import { dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readView, type TensorView, transpose } from '../../formats/index.js';
import type { LoraOptions } from '../../lora/index.js';
import { isFloatDType, noGrad, type Tensor, tensorFromBytes } from '../../tensor/index.js';
import { isStepFolder, isZeroCheckpoint } from '../deepspeed-files.js';
import type { NameTable } from '../name-table.js';
import { openModelCheckpoint } from '../open-model-checkpoint.js';
import type { WeightTables } from '../weight-tables.js';
import { ADAPTER_CONFIG_FILE, type AdapterRules, readAdapterRules } from './adapter-config.js';
import { type AdapterPart, PEFT_PREFIX, parseAdapterName, parseAdapterPart } from './adapter-names.js';
import { isOfExperts, NO_EXPERT_ADAPTERS } from './expert-adapters.js';

/** As PEFT names them; without safetensors it writes the second. */
export const WEIGHT_FILES = ['adapter_model.safetensors', 'adapter_model.bin'] as const;

const PART_TITLES = {
  loraA: 'A matrix',
  loraB: 'B matrix',
  loraMagnitude: 'magnitude',
  loraBias: 'bias',
  embeddingA: 'A matrix',
  embeddingB: 'B matrix',
  tokens: 'rows of trained tokens',
} as const;

/** A layer that an adapter changes. */
export interface AdapterLayer {
  readonly options: LoraOptions;
  /** Names of its tensors. */
  readonly parts: Readonly<Partial<Record<AdapterPart, string>>>;
  /** Ids of the rows in `tokens`, in their order. */
  readonly tokens: readonly number[] | undefined;
}

/** An adapter whose tensors are known by name and not read yet. */
export interface AdapterFile {
  /** Of the weights. */
  readonly path: string;
  /** Linear layers and embeddings, by our path. */
  readonly layers: ReadonlyMap<string, AdapterLayer>;
  /** Whole parameters that take the place of the model's, by our path: their names. */
  readonly whole: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorView>;
}

/** Our path of a published parameter; undefined for one that the model does not have. */
export type FindPath = (published: string) => string | undefined;

/** Paths of the published spelling alone. */
export function ownPaths(names: NameTable): FindPath {
  return (published) => {
    const ownPath = names.fromPublished(published);
    return ownPath === undefined || ownPath === 'skip' || isOfExperts(names, published) ? undefined : ownPath;
  };
}

/** Paths of all spellings of a family. */
export function ownPathsOf({ schemes, names }: WeightTables): FindPath {
  return (published) => {
    if (isOfExperts(names, published)) return undefined;
    for (const scheme of schemes.values()) {
      if (!scheme.knows(published)) continue;
      const [ownPath, second] = scheme.pathsOf(published);
      // A fused tensor is no layer of its own.
      if (ownPath !== undefined && second === undefined) return ownPath;
    }
    return undefined;
  };
}

/**
 * @param path a PEFT folder, or a file in any container and naming
 * @param options rank and alpha of all layers; default: those of adapter_config.json beside the weights
 * @throws InputError for files that are no adapter, and tensors that belong to no layer of the model
 */
export function openAdapter(path: string, findPath: FindPath, options?: LoraOptions): AdapterFile {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such adapter folder or file.`);
  const weightPath = status.isDirectory() ? adapterFile(path) : path;
  const folder = status.isDirectory() ? path : dirname(path);
  const rules =
    options === undefined ? readAdapterRules(join(folder, ADAPTER_CONFIG_FILE)) : sameRules(options);
  const [tensors = new Map<string, TensorView>()] = openModelCheckpoint(weightPath).ranks;
  const layers = new Map<string, AdapterLayer>();
  const whole = new Map<string, string>();
  for (const name of tensors.keys()) {
    const parsed = parseAdapterPart(name);
    const ownPath = parsed === undefined ? undefined : pathOf(parsed, findPath);
    if (parsed === undefined || ownPath === undefined)
      throw new InputError(
        /\bexperts\b/.test(name)
          ? `${weightPath}: tensor "${name}": ${NO_EXPERT_ADAPTERS}.`
          : `${weightPath}: tensor "${name}" belongs to no layer of this model.`,
      );
    const twin = parsed.kind === 'whole' ? whole.get(ownPath) : layers.get(ownPath)?.parts[parsed.part];
    if (twin !== undefined)
      throw new InputError(`${weightPath}: tensors "${twin}" and "${name}" are the same; remove one.`);
    if (parsed.kind === 'whole') whole.set(ownPath, name);
    else {
      const layer = layers.get(ownPath) ?? {
        options: rules.optionsOf(parsed.module),
        parts: {},
        tokens: rules.tokensOf(parsed.module),
      };
      layers.set(ownPath, { ...layer, parts: { ...layer.parts, [parsed.part]: name } });
    }
  }
  return { path: weightPath, layers, whole, tensors };
}

/** Of a layer its path, of a whole parameter the parameter's. */
function pathOf(
  parsed: NonNullable<ReturnType<typeof parseAdapterPart>>,
  findPath: FindPath,
): string | undefined {
  return parsed.kind === 'whole'
    ? findPath(parsed.parameter)
    : findPath(`${parsed.module}.weight`)?.replace(/\.weight$/, '');
}

function sameRules(options: LoraOptions): AdapterRules {
  return { options, optionsOf: () => options, tokensOf: () => undefined };
}

export function isLinearLayer({ parts }: AdapterLayer): boolean {
  return ['loraA', 'loraB', 'loraBias'].some((part) => Object.hasOwn(parts, part));
}

/** Sizes of a layer: of a linear one its features, of an embedding V and D. */
export interface LayerSizes {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/**
 * The parts of one layer as views, the way round that we have them: A [R, I], B [O, R], magnitude and bias [O]; of an
 * embedding A [R, V], B [D, R], magnitude [D], tokens [N, D].
 * @throws InputError for halves without their twin and wrong shapes
 */
export function adapterViews(
  { path, layers, tensors }: AdapterFile,
  ownPath: string,
  { inFeatures, outFeatures }: LayerSizes,
): Map<AdapterPart, TensorView> {
  const layer = layers.get(ownPath);
  if (layer === undefined) return new Map();
  const { parts, options, tokens } = layer;
  const { rank, dora = false } = options;
  const [a, b] = isLinearLayer(layer)
    ? (['loraA', 'loraB'] as const)
    : (['embeddingA', 'embeddingB'] as const);
  const isAdapted = parts[a] !== undefined || parts[b] !== undefined;
  if (!dora && parts.loraMagnitude !== undefined)
    throw new InputError(
      `${path}: tensor "${parts.loraMagnitude}" is DoRA's, but the adapter's config does not say use_dora.`,
    );
  if (parts.tokens !== undefined && tokens === undefined)
    throw new InputError(
      `${path}: tensor "${parts.tokens}" holds rows of single tokens, but the adapter's config has no ` +
        'trainable_token_indices of it.',
    );
  if (parts.tokens !== undefined && isLinearLayer(layer))
    throw new InputError(
      `${path}: tensor "${parts.tokens}" holds rows of a layer that has a low-rank update too; one of the two is supported.`,
    );
  const shapes: [AdapterPart, number[]][] = [];
  if (isAdapted || isLinearLayer(layer)) shapes.push([a, [rank, inFeatures]], [b, [outFeatures, rank]]);
  if (dora && isAdapted) shapes.push(['loraMagnitude', [outFeatures]]);
  if (parts.loraBias !== undefined) shapes.push(['loraBias', [outFeatures]]);
  if (parts.tokens !== undefined) shapes.push(['tokens', [tokens?.length ?? 0, outFeatures]]);
  const surplus = Object.entries(parts).find(([part]) => !shapes.some(([wanted]) => wanted === part));
  if (surplus !== undefined)
    throw new InputError(
      `${path}: tensor "${surplus[1]}" does not belong to this kind of layer (${ownPath}).`,
    );
  return new Map(
    shapes.map(([part, shape]) => [part, viewOfPart(path, ownPath, part, parts[part], tensors, shape, rank)]),
  );
}

function viewOfPart(
  path: string,
  ownPath: string,
  part: AdapterPart,
  name: string | undefined,
  tensors: ReadonlyMap<string, TensorView>,
  shape: readonly number[],
  rank: number,
): TensorView {
  const view = name === undefined ? undefined : tensors.get(name);
  if (name === undefined || view === undefined)
    throw new InputError(`${path}: layer ${ownPath} has no ${PART_TITLES[part]}.`);
  if (!isFloatDType(view.dtype))
    throw new InputError(`${path}: tensor "${name}" has dtype ${view.dtype}, not a float one.`);
  const matrix = parseAdapterName(name);
  if (matrix !== undefined && view.shape.length !== 2)
    throw new InputError(
      `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; half an adapter is a matrix.`,
    );
  const placed = matrix?.transposed === true ? transpose(view) : view;
  if (placed.shape.join() !== shape.join())
    throw new InputError(
      `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; rank ${rank} on this layer ` +
        `needs [${shape.join(', ')}] (transposed in TeleChat's spelling).`,
    );
  return placed;
}

/** The parts of one layer, read, in the dtype of the file. @throws InputError as adapterViews */
export function readAdapterLayer(
  file: AdapterFile,
  ownPath: string,
  sizes: LayerSizes,
): Map<AdapterPart, Tensor> {
  return new Map(
    [...adapterViews(file, ownPath, sizes)].map(([part, view]) => [part, readFloats(file.path, view)]),
  );
}

/** @throws InputError for a tensor that is not of floats */
export function readFloats(path: string, view: TensorView): Tensor {
  const { dtype, shape } = view;
  if (!isFloatDType(dtype))
    throw new InputError(`${path}: tensor "${view.source}" has dtype ${dtype}, not a float one.`);
  return noGrad(() => tensorFromBytes(Buffer.concat([...readView(view)]), shape, dtype));
}

/** A whole parameter. @throws InputError if it has another shape than the model's */
export function wholeView(
  { path, whole, tensors }: AdapterFile,
  ownPath: string,
  shape: readonly number[],
): TensorView {
  const name = whole.get(ownPath) ?? '';
  const view = tensors.get(name);
  if (view === undefined) throw new RangeError(`${path} does not hold ${ownPath}`);
  if (view.shape.join() === shape.join()) return view;
  throw new InputError(
    `${path}: tensor "${name}" has shape [${view.shape.join(', ')}], the model's is [${shape.join(', ')}]; ` +
      'the adapter belongs to another model, or to one whose vocabulary was resized.',
  );
}

/**
 * The adapter at `path` if it is one of PEFT's (a folder, or a file with its prefix on the names); undefined for another.
 * @param alpha of all layers, instead of the config's; without a config nothing else is known of them
 * @throws InputError as openAdapter
 */
export function openPeftAdapter(path: string, findPath: FindPath, alpha?: number): AdapterFile | undefined {
  const isFolder = fileStatus(path)?.isDirectory() === true;
  const config = join(isFolder ? path : dirname(path), ADAPTER_CONFIG_FILE);
  const [tensors, second] = openModelCheckpoint(isFolder ? adapterFile(path) : path).ranks;
  if (second !== undefined || tensors === undefined) return undefined;
  const isPeft = tensors.size > 0 && [...tensors.keys()].every((name) => name.startsWith(PEFT_PREFIX));
  const hasConfig = fileStatus(config) !== undefined;
  if (!isPeft || (!hasConfig && alpha === undefined)) return undefined;
  const file = openAdapter(path, findPath, hasConfig ? undefined : { rank: 1, alpha: alpha ?? 1 });
  if (alpha === undefined) return file;
  const layers = [...file.layers].map(([ownPath, layer]): [string, AdapterLayer] => {
    const a = tensors.get(layer.parts.loraA ?? layer.parts.embeddingA ?? '');
    return [
      ownPath,
      { ...layer, options: { ...layer.options, alpha, rank: a?.shape[0] ?? layer.options.rank } },
    ];
  });
  return { ...file, layers: new Map(layers) };
}

/** The weights of a PEFT folder. @throws InputError if it holds none */
export function adapterFile(folder: string): string {
  const found = WEIGHT_FILES.find((name) => fileStatus(join(folder, name)) !== undefined);
  if (found !== undefined) return join(folder, found);
  if (isZeroCheckpoint(folder) || isStepFolder(folder))
    throw new InputError(
      `${folder} is a checkpoint of DeepSpeed's, from which an adapter has to be made first: xinghe convert --from ${folder} --to ADAPTER.`,
    );
  throw new InputError(`${join(folder, WEIGHT_FILES[0])} does not exist, nor does ${WEIGHT_FILES[1]}.`);
}
