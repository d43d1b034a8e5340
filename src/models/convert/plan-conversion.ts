/**
 * The chain of a conversion: open, extend, merge, cut, spell, cast, then files. Each link is a function over named views
 * (src/checkpoint/convert/chain-tensor.ts); here is only which of them a request asks for.
 */
import { dirname } from 'node:path';
import {
  ADAPTER_CONFIG_FILE,
  type AdapterChanges,
  adapterFile,
  adapterUpdates,
  type ContainerFormat,
  castHalves,
  castTensors,
  container,
  fileChanges,
  findAdapterConfig,
  isCounter,
  type ModelTensors,
  mergeAdapter,
  type NamedViews,
  type NameScheme,
  namedViews,
  onlyHalves,
  openPeftAdapter,
  ownPathsOf,
  type PlannedFile,
  type PlannedTensor,
  plannedTensors,
  planPeftConfig,
  planStrategy,
  quantizeTensors,
  rankCount,
  refuseMagnitudes,
  refuseManyRanks,
  renameAdapter,
  renameState,
  renameTensors,
  type SourceNaming,
  STRATEGY_FILE,
  schemeOf,
  shardTensors,
  tensorsOfRank,
  withoutHalves,
} from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  type FileDtype,
  type FileTensor,
  fileStatus,
  type ParallelStrategy,
  type TensorView,
} from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { LlamaForm } from '../llama-parts/llama-form.js';
import { findConfigIn } from '../registry.js';
import { isFileTarget, targetFormat, wholeFiles } from './conversion-target.js';
import type { ConvertOptions } from './convert-options.js';
import { extendRows, type NewRows, planNewRows } from './extend-vocabulary.js';
import { ggufMetadata, ggufTensors, targetNaming } from './gguf/gguf-export.js';
import { readEmbeddedFiles } from './gguf/gguf-files.js';
import type { GgufMetadata } from './gguf/gguf-tokenizer.js';
import { llamaTarget, zeroTensors } from './llama-target.js';
import { type ConversionSource, isRichAdapter, openSource, warnOfMissing } from './open-source.js';

export interface ConversionPlan {
  readonly source: ConversionSource;
  readonly format: ContainerFormat;
  readonly files: readonly PlannedFile[];
  /** Of a GGUF for llama.cpp. */
  readonly metadata: GgufMetadata | undefined;
  /** Of a folder for transformers' Llama. */
  readonly llama: LlamaForm | undefined;
  /** Of ranks, for MindSpore; undefined where it has no words for them, and of a plan without a conversion. */
  readonly strategy: ParallelStrategy['stages'] | undefined;
  /** Of an adapter that is merged or taken out. */
  readonly changes: AdapterChanges | undefined;
  /** Of a vocabulary that was extended. */
  readonly newRows: NewRows | undefined;
  /** Names of the source that are not written, with the reason. */
  readonly leftOut: readonly {
    /** As the source spells it. */
    readonly name: string;
    /** Why it is not written. */
    readonly reason: string;
  }[];
  /** Written beside an adapter in PEFT's form. */
  readonly peftConfig: object | undefined;
}

/** What would be written; nothing is read but headers, nothing is written. */
export function planConversion(options: ConvertOptions): ConversionPlan {
  return planChain(options, undefined, (tensor) => ({
    name: tensor.name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    ranges: [],
  }));
}

/** @param folder for pieces that have to be written before they can be read; undefined: nothing may be written */
export function planChain(
  options: ConvertOptions,
  folder: string | undefined,
  makeContiguous: (tensor: FileTensor) => FileTensor,
): ConversionPlan {
  const { from, configPath, layout } = options;
  const source = openSource(from, {
    configPath,
    layout: options.sourceLayout,
    strategy: options.sourceStrategy,
    makeContiguous,
    zeroWeights: options.zeroWeights,
    isKeepingAdapters: isPlainCopy(options),
  });
  refuseMagnitudes(from, source.model);
  // What a folder gets of a GGUF's tokenizer: one that cannot be read is refused before anything is written.
  if (!isFileTarget(options)) readEmbeddedFiles(from);
  warnOfMissing(from, source);
  const newRows = options.vocabulary === undefined ? undefined : planNewRows(source, options.vocabulary);
  const model = newRows === undefined ? source.model : extendRows(source, newRows, folder);
  const format = targetFormat(options);
  if (layout !== undefined && source.family === undefined)
    throw new InputError(
      `${from} is of a model that no family here knows, so that nobody can tell how to cut it over ranks; give its config with ` +
        '--config, or leave --layout away.',
    );
  const changes = changesOf(options, source);
  const states = options.states ?? (layout !== undefined || format === 'ckpt' ? 'keep' : 'drop');
  const llama = llamaTarget(options, source);
  const naming = targetNaming(options, source, format);
  if (naming === 'gguf' && newRows !== undefined)
    throw new InputError(
      'extend the vocabulary into a folder first, then convert that to GGUF: two conversions.',
    );
  const chain: Chain = { options, source, model, naming, llama, changes, isKeepingStates: states === 'keep' };
  const beside =
    llama === undefined
      ? naming === 'gguf'
        ? ggufTensors(source)
        : []
      : zeroTensors(llama, llamaDtype(options, model));
  if (options.quantization !== undefined && naming !== 'gguf')
    throw new InputError(
      `${options.quantization} packs weights as llama.cpp reads them: name a .gguf as the output, without --names published.`,
    );
  const files =
    layout === undefined
      ? wholeFiles([...packed(wholeTensors(chain), options, source), ...beside], options, format)
      : rankFiles(chain, format);
  if (files.every(({ tensors }) => tensors.length === 0))
    throw new InputError(`${from} holds no tensor to convert.`);
  return {
    source,
    format,
    files,
    llama,
    strategy: folder === undefined ? undefined : strategyOf(chain, files),
    metadata: naming === 'gguf' ? ggufMetadata(from, source, files) : undefined,
    changes,
    newRows,
    leftOut: [
      ...model.skipped.map((name) => ({ name, reason: 'a buffer without content' })),
      ...(states === 'keep' ? [] : droppedTensors(model, from, options.leaveOut ?? [])),
    ],
    peftConfig: isFileTarget(options) ? undefined : peftConfigOf(options, source, files, format),
  };
}

function strategyOf(chain: Chain, files: readonly PlannedFile[]): ConversionPlan['strategy'] {
  const { layout, to } = chain.options;
  if (layout === undefined) return undefined;
  const counters = new Set(chain.model.others.keys());
  const whole = wholeTensors(chain).filter(({ name }) => !counters.has(name));
  const strategy = planStrategy(files, new Map(whole.map(({ name, view }) => [name, view])), layout);
  if (typeof strategy !== 'string') return strategy;
  log(`${to}: no ${STRATEGY_FILE} for MindSpore: ${strategy}`);
  return undefined;
}

/** Are the names of an adapter to stay as they are? */
function isPlainCopy({ as, merge, layout, names, adapterNaming, vocabulary }: ConvertOptions): boolean {
  const others = [as, merge, layout, names, vocabulary];
  return others.every((option) => option === undefined) && (adapterNaming ?? 'peft') === 'peft';
}

function peftConfigOf(
  options: ConvertOptions,
  source: ConversionSource,
  files: readonly PlannedFile[],
  format: ContainerFormat,
): object | undefined {
  const { from, configPath, adapterNaming, loraAlpha } = options;
  const { checkpoint, tables } = source;
  if (isPlainCopy(options) && isRichAdapter(checkpoint)) {
    // The run's own is copied.
    if (findAdapterConfig(from) !== undefined) return undefined;
    throw new InputError(
      `${from} holds an adapter with more than low-rank matrices, and no ${ADAPTER_CONFIG_FILE} beside it tells of which kind; put ` +
        'that file of the run there.',
    );
  }
  return planPeftConfig(files, format, tables.sharding.linearLayout, {
    from,
    configPath: configPath ?? configBeside(from),
    loraAlpha,
    isAskedFor: adapterNaming === 'peft' || checkpoint.isAdapterState === true,
  });
}

function packed(
  tensors: PlannedTensor[],
  { quantization }: ConvertOptions,
  { architecture }: ConversionSource,
): PlannedTensor[] {
  const keepsFloat32 = architecture?.tables.schemes.get('gguf')?.keepsFloat32;
  return quantization === undefined ? tensors : quantizeTensors(tensors, quantization, keepsFloat32);
}

function configBeside(from: string): string | undefined {
  return fileStatus(from)?.isDirectory() === true ? findConfigIn(from) : findConfigIn(dirname(from));
}

function changesOf(
  { merge, adapter, loraAlpha: alpha }: ConvertOptions,
  source: ConversionSource,
): AdapterChanges | undefined {
  if (merge === undefined) {
    if (adapter === undefined) return undefined;
    throw new InputError('an adapter was given, but neither merging nor unmerging was asked for.');
  }
  const sign = merge === 'merge' ? 1 : -1;
  const { tables, model } = source;
  const file = adapter === undefined ? undefined : openPeftAdapter(adapter, ownPathsOf(tables), alpha);
  if (file !== undefined) return fileChanges(file, model.weights, tables, { alpha, sign });
  const isFolder = adapter !== undefined && fileStatus(adapter)?.isDirectory() === true;
  const held = adapter === undefined ? source : openSource(isFolder ? adapterFile(adapter) : adapter);
  const path = adapter ?? source.checkpoint.path;
  const updates = adapterUpdates(model.weights, { path, tensors: held.model }, { alpha, sign });
  return { updates, whole: new Map(), rows: new Map() };
}

/**
 * Optimiser states and counters, where they are not kept.
 * @throws InputError for a tensor that nobody knows: without it the output may be another model
 */
function droppedTensors(
  { states, others }: ModelTensors,
  from: string,
  leaveOut: readonly string[],
): { name: string; reason: string }[] {
  const unknown = [...others.keys()].filter((name) => !isCounter(name) && !leaveOut.includes(name));
  const [first] = unknown;
  if (first !== undefined)
    throw new InputError(
      `${from}: tensor "${first}"${unknown.length > 1 ? ` (and ${unknown.length - 1} more)` : ''} is no parameter or buffer of ` +
        'this model; left out, it may be another model. Check that config and weights belong together, or name what may be ' +
        `missing: --leave-out ${unknown.slice(0, 3).join(',')}.`,
    );
  return [
    ...[...states].flatMap(([prefix, state]) =>
      [...state.values()].map(({ source: name }) => ({
        name: name.startsWith(prefix) ? name : prefix + name,
        reason: 'optimiser state',
      })),
    ),
    ...[...others.keys()].map((name) => ({ name, reason: 'no parameter of the model' })),
  ];
}

/** Of all tensors in a folder for Llama: the one asked for, else that of the matrices. */
export function llamaDtype(
  { dtype }: Pick<ConvertOptions, 'dtype'>,
  { dtype: whole, weights }: ModelTensors,
): FileDtype {
  return dtype ?? whole ?? [...weights.values()].find(({ shape }) => shape.length === 2)?.dtype ?? 'float32';
}

/** What the links after `open` and `extend` work on. */
interface Chain {
  readonly options: ConvertOptions;
  readonly source: ConversionSource;
  readonly model: ModelTensors;
  readonly naming: ConvertOptions['names'];
  readonly llama: LlamaForm | undefined;
  readonly changes: AdapterChanges | undefined;
  readonly isKeepingStates: boolean;
}

type States = ReadonlyMap<string, ReadonlyMap<string, TensorView>>;

function wholeTensors(chain: Chain): PlannedTensor[] {
  return spelled(chain, merged(chain), chain.model.states);
}

function rankFiles(chain: Chain, format: ContainerFormat): PlannedFile[] {
  const { options, source, model } = chain;
  const { layout } = options;
  if (layout === undefined) throw new TypeError('ranks need a layout');
  const { tables } = source;
  refuseManyRanks(layout);
  const weights = merged(chain);
  const ending = container(format).endings[0] ?? '';
  return Array.from({ length: rankCount(layout) }, (_, rank) => {
    const states = new Map(
      [...model.states].map(([prefix, state]) => [prefix, tensorsOfRank(state, tables, layout, rank)]),
    );
    return {
      path: `rank_${rank}/checkpoint_${rank}${ending}`,
      tensors: spelled(chain, shardTensors(weights, tables, layout, rank), states),
    };
  });
}

/** Merged matrices have done their work; those that are taken out stay. */
function merged({ options, source, model, changes }: Chain): NamedViews {
  const weights = namedViews(model.weights);
  const kept = options.merge === 'merge' ? withoutHalves(weights) : weights;
  return changes === undefined ? kept : mergeAdapter(kept, changes, source.tables.sharding.linearLayout);
}

function spelled(
  { options, source, model, naming, llama, isKeepingStates }: Chain,
  weights: NamedViews,
  states: States,
) {
  const { tables } = source;
  const scheme: NameScheme = llama?.scheme ?? schemeOf(model, tables, naming);
  // Unless a spelling is asked for, names stay: some files leave a prefix away.
  const spelling: SourceNaming = {
    names: naming === undefined && llama === undefined ? model.names : new Map(),
    factors: model.factors,
  };
  const { dtype, castEmbedding = false, castNorm = false, adapterNaming } = options;
  const rules = { dtype: dtype ?? model.dtype, castEmbedding, castNorm };
  const halves = renameAdapter(onlyHalves(weights), scheme, model.names, adapterNaming);
  return [
    castTensors(renameTensors(withoutHalves(weights), scheme, spelling), rules, tables, scheme),
    castHalves(halves, dtype),
    ...(isKeepingStates ? renamedStates(states, model, scheme, spelling) : []),
  ].flatMap(plannedTensors);
}

function renamedStates(
  states: States,
  { others }: ModelTensors,
  scheme: NameScheme,
  spelling: SourceNaming,
): NamedViews[] {
  return [
    ...[...states].map(([prefix, state]) => {
      const named = [...renameState(state, scheme, spelling)];
      return namedViews(new Map(named.map(([name, view]) => [prefix + name, view])), false);
    }),
    namedViews(others, false),
  ];
}
