/** `xinghe convert`: any container, naming, dtype and number of files or ranks to any other, streamed and verified. */
import { mkdirSync, readdirSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  ADAPTER_CONFIG_FILE,
  type AdapterSpelling,
  type AdapterUpdates,
  type ContainerFormat,
  container,
  formatByEnding,
  LAYOUT_FILE,
  type NameDialect,
  type ParallelLayout,
  type PlannedFile,
  type PlannedTensor,
  plannedBytes,
  planRanks,
  planShards,
  planTensors,
  type TensorRules,
  verifyPlan,
  writePlan,
} from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  fileStatus,
  readTensorPieces,
  type StoredTensor,
  tensorBytes,
  viewOf,
  writeFileAtomic,
  writeFileStaged,
  writeFolderAtomic,
  writeGgufFile,
} from '../../formats/index.js';
import { Progress } from '../../log/index.js';
import type { FloatDType } from '../../tensor/index.js';
import { copySideFiles } from '../side-files.js';
import { adapterUpdates, refuseMagnitudes } from './adapter-source.js';
import { type LogitsComparison, logitsComparison } from './compare-logits.js';
import {
  extendRows,
  type NewRows,
  planNewRows,
  replaceTokenizer,
  type VocabularyExtension,
} from './extend-vocabulary.js';
import { embeddedConfig } from './gguf-config.js';
import { ggufMetadata, targetDialect } from './gguf-export.js';
import type { GgufMetadata } from './gguf-tokenizer.js';
import { planPeftConfig } from './peft-config.js';
import { type ConversionSource, openSource, warnOfMissing } from './source.js';

export interface ConvertOptions {
  readonly from: string;
  /** A folder; or a file, if it has the ending of a container. */
  readonly to: string;
  /** Default: by the ending of `to`, else safetensors (ckpt for ranks). */
  readonly format?: ContainerFormat | undefined;
  readonly names?: NameDialect | undefined;
  readonly dtype?: FloatDType | undefined;
  /** Cast what the family keeps in float32 (Spark's embedding, norms) too. */
  readonly castEmbedding?: boolean;
  readonly castNorm?: boolean;
  readonly shards?: number | undefined;
  readonly maxShardBytes?: number | undefined;
  readonly layout?: ParallelLayout | undefined;
  readonly sourceLayout?: ParallelLayout | undefined;
  /** Of a ZeRO checkpoint: float32 master weights (default), or the weights as the model held them. */
  readonly zeroWeights?: 'master' | 'model' | undefined;
  readonly configPath?: string | undefined;
  /** merge: add the adapter to the weights; unmerge: take it out of them. */
  readonly merge?: 'merge' | 'unmerge' | undefined;
  readonly adapter?: string | undefined;
  readonly loraAlpha?: number | undefined;
  readonly adapterSpelling?: AdapterSpelling | undefined;
  /** Optimiser states and counters. Default: kept in ranks and .ckpt, else left out. */
  readonly states?: 'keep' | 'drop' | undefined;
  readonly vocabulary?: VocabularyExtension | undefined;
  readonly checkLogits?: boolean;
  readonly replace?: boolean;
}

export interface ConversionPlan {
  readonly source: ConversionSource;
  readonly format: ContainerFormat;
  readonly files: readonly PlannedFile[];
  /** Of a GGUF for llama.cpp. */
  readonly metadata: GgufMetadata | undefined;
  /** Of an adapter that is merged or taken out. */
  readonly updates: AdapterUpdates | undefined;
  /** Of a vocabulary that was extended. */
  readonly newRows: NewRows | undefined;
  /** Names of the source that are not written, with the reason. */
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  /** Written beside an adapter in PEFT's form. */
  readonly peftConfig: object | undefined;
}

export interface ConversionResult {
  readonly to: string;
  readonly format: ContainerFormat;
  readonly family: string | undefined;
  readonly files: number;
  readonly tensors: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly leftOut: ConversionPlan['leftOut'];
  readonly logits: LogitsComparison | undefined;
}

/** What would be written; nothing is read but headers, nothing is written. */
export function planConversion(options: ConvertOptions): ConversionPlan {
  return makePlan(options, undefined, (tensor) => ({
    name: tensor.name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    ranges: [],
  }));
}

/**
 * Writes, reads back and compares everything in a temporary place, then renames it: `to` is whole or not there.
 * @throws InputError for what cannot be converted, found before anything is written; for a place without room
 */
export async function convertModel(options: ConvertOptions): Promise<ConversionResult> {
  const { to, replace = false } = options;
  const started = performance.now();
  refuseSameplace(options);
  const run = async (folder: string, fileName?: string) => ({
    ...(await writeConversion(options, folder, fileName)),
    to,
    seconds: (performance.now() - started) / 1000,
  });
  if (isFileTarget(options)) return writeFileStaged(to, (folder) => run(folder, basename(to)), { replace });
  return writeFolderAtomic(to, (folder) => run(folder), { replace });
}

async function writeConversion(
  options: ConvertOptions,
  folder: string,
  fileName: string | undefined,
): Promise<Omit<ConversionResult, 'to' | 'seconds'>> {
  const straightened = join(folder, '.straightened');
  const plan = makePlan(options, straightened, (tensor) => straighten(tensor, straightened, options.to));
  const { files, format, source, metadata, leftOut } = plan;
  const compare =
    options.checkLogits === true ? logitsComparison(options, source.architecture, plan.updates) : undefined;
  const bytes = files
    .flatMap(({ tensors }) => tensors)
    .reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
  refuseFullDisk(folder, options.to, bytes);
  const { readFile, writeFile } = container(format);
  const progress = new Progress({ label: 'convert', total: 2 * bytes, unit: 'byte' });
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    progress.update(done);
  };
  const checksums = writePlan(
    folder,
    files,
    metadata === undefined ? writeFile : (path, tensors) => writeGgufFile(path, metadata, tensors),
    onBytes,
  );
  const readViews = (path: string) =>
    new Map([...readFile(path)].map(([name, tensor]) => [name, viewOf(tensor)] as const));
  verifyPlan(folder, files, checksums, readViews, onBytes);
  progress.finish();
  rmSync(straightened, { recursive: true, force: true });
  if (fileName === undefined) {
    writeIndexes(folder, plan, options);
    copySideFiles(options.from, folder, options.configPath);
    writeEmbeddedConfig(folder, options, source);
    if (options.vocabulary !== undefined && plan.newRows !== undefined)
      replaceTokenizer(folder, options.vocabulary, plan.newRows);
    if (plan.peftConfig !== undefined)
      writeFileAtomic(join(folder, ADAPTER_CONFIG_FILE), `${JSON.stringify(plan.peftConfig, null, 2)}\n`);
  }
  const target = fileName === undefined ? folder : join(folder, fileName);
  const logits = compare?.(target);
  return {
    format,
    family: source.family?.name,
    files: files.length,
    tensors: files.reduce((sum, { tensors }) => sum + tensors.length, 0),
    bytes,
    leftOut,
    logits,
  };
}

/** @param folder for pieces that have to be written before they can be read; undefined: nothing may be written */
function makePlan(
  options: ConvertOptions,
  folder: string | undefined,
  straightenTensor: (tensor: StoredTensor) => StoredTensor,
): ConversionPlan {
  const { from, to, configPath, layout, merge } = options;
  const source = openSource(from, {
    configPath,
    layout: options.sourceLayout,
    straighten: straightenTensor,
    zeroWeights: options.zeroWeights,
  });
  refuseMagnitudes(from, source.model);
  warnOfMissing(from, source);
  const { tables } = source;
  const newRows =
    options.vocabulary === undefined ? undefined : planNewRows(source.model, options.vocabulary);
  const model = newRows === undefined ? source.model : extendRows(source.model, newRows, folder);
  const format = targetFormat(options);
  if (layout !== undefined && source.family === undefined)
    throw new InputError(
      `${from} is of a model that no family here knows, so that nobody can tell how to cut it over ranks; give its config with ` +
        '--config, or leave --layout away.',
    );
  if (options.merge === undefined && options.adapter !== undefined)
    throw new InputError('an adapter was given, but neither merging nor unmerging was asked for.');
  const updates =
    merge === undefined
      ? undefined
      : adapterUpdates(source, {
          adapter: options.adapter,
          alpha: options.loraAlpha,
          sign: merge === 'merge' ? 1 : -1,
        });
  const states = options.states ?? (layout !== undefined || format === 'ckpt' ? 'keep' : 'drop');
  const dialect = targetDialect(options, source, format);
  if (dialect === 'gguf' && newRows !== undefined)
    throw new InputError(
      'extend the vocabulary into a folder first, then convert that to GGUF: two conversions.',
    );
  const rules: TensorRules = {
    dialect,
    dtype: options.dtype,
    castEmbedding: options.castEmbedding ?? false,
    castNorm: options.castNorm ?? false,
    states: states === 'keep',
    updates,
    adapterSpelling: options.adapterSpelling,
  };
  // Merged matrices have done their work.
  const kept =
    merge === 'merge'
      ? { ...model, weights: new Map([...model.weights].filter(([path]) => !/\.lora[AB]$/.test(path))) }
      : model;
  const leftOut = [
    ...model.skipped.map((name) => ({ name, reason: 'a buffer without content' })),
    ...(states === 'keep'
      ? []
      : [
          ...[...model.states].flatMap(([prefix, state]) =>
            [...state.values()].map(({ source: name }) => ({
              name: name.startsWith(prefix) ? name : prefix + name,
              reason: 'optimiser state',
            })),
          ),
          ...[...model.others.keys()].map((name) => ({ name, reason: 'no parameter of the model' })),
        ]),
  ];
  const files =
    layout !== undefined
      ? planRanks(kept, tables, rules, layout, container(format).endings[0] ?? '')
      : planWhole(planTensors(kept, tables, rules), options, format, to);
  refuseEmpty(files, from);
  const peftConfig = isFileTarget(options)
    ? undefined
    : planPeftConfig(source, format, files, { ...options, isAskedFor: options.adapterSpelling === 'peft' });
  const metadata = dialect === 'gguf' ? ggufMetadata(from, source, files) : undefined;
  return { source, format, files, metadata, leftOut, peftConfig, updates, newRows };
}

function planWhole(
  tensors: readonly PlannedTensor[],
  options: ConvertOptions,
  format: ContainerFormat,
  to: string,
): PlannedFile[] {
  if (isFileTarget(options)) return [{ path: basename(to), tensors }];
  const { fileName, indexName } = container(format);
  if (indexName === undefined) {
    if (options.shards !== undefined && options.shards > 1)
      throw new InputError(`${format} files hold a whole model; --shards is for safetensors and bin.`);
    return [{ path: fileName(0, 1), tensors }];
  }
  const isAdapter = tensors.every(({ name }) => name.startsWith('base_model.model.'));
  const rename = (name: string): string =>
    isAdapter ? name.replace(/^(pytorch_)?model/, 'adapter_model') : name;
  return planShards(tensors, options, (index, count) => rename(fileName(index, count)));
}

function targetFormat({ format, to, layout }: ConvertOptions): ContainerFormat {
  const byEnding = fileStatus(to)?.isDirectory() === true ? undefined : formatByEnding(to);
  if (format !== undefined && byEnding !== undefined && format !== byEnding)
    throw new InputError(`${to} has the ending of ${byEnding}, but the format asked for is ${format}.`);
  return format ?? byEnding ?? (layout === undefined ? 'safetensors' : 'ckpt');
}

function isFileTarget({ to, layout, shards }: ConvertOptions): boolean {
  if (formatByEnding(to) === undefined || fileStatus(to)?.isDirectory() === true) return false;
  if (layout === undefined && (shards === undefined || shards === 1)) return true;
  throw new InputError(
    `${to} names one file; name a folder for ${layout === undefined ? 'shards' : 'ranks'}.`,
  );
}

/** The output may not be the source, lie inside it, or hold it, whatever links lead there. */
function refuseSameplace({ from, to }: ConvertOptions): void {
  const [source, target] = [realPlace(from), realPlace(to)];
  const isInside = (inner: string, outer: string): boolean => `${inner}/`.startsWith(`${outer}/`);
  if (!isInside(source, target) && !isInside(target, source)) return;
  throw new InputError(`the output ${to} and the source ${from} lie in each other; name another place.`);
}

/** With links resolved as far as the path exists. */
function realPlace(path: string): string {
  const full = resolve(path);
  const parent = dirname(full);
  if (fileStatus(full) !== undefined) return realpathSync(full);
  return parent === full ? full : join(realPlace(parent), basename(full));
}

function refuseEmpty(files: readonly PlannedFile[], from: string): void {
  if (files.some(({ tensors }) => tensors.length > 0)) return;
  throw new InputError(`${from} holds no tensor to convert.`);
}

const SPARE_BYTES = 2 ** 20;

function refuseFullDisk(folder: string, to: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes + SPARE_BYTES) return;
  throw new InputError(
    `${to} needs ${bytes} bytes, but its disk has ${free} free; free some space or name another place.`,
  );
}

/** Rows one after the other in a file of their own. */
function straighten(tensor: StoredTensor, folder: string, to: string): StoredTensor {
  mkdirSync(folder, { recursive: true });
  refuseFullDisk(folder, to, tensorBytes(tensor));
  // By number: ranks have tensors of one name.
  const path = join(folder, String(readdirSync(folder).length));
  writeFileAtomic(path, (write) => {
    for (const piece of readTensorPieces(tensor)) write(piece);
  });
  const { name, dtype, shape } = tensor;
  return { name, dtype, shape, ranges: [{ path, start: 0, end: tensorBytes(tensor) }] };
}

/** A model that came with its config inside a GGUF has no file of it to copy. */
function writeEmbeddedConfig(
  folder: string,
  { from, configPath }: ConvertOptions,
  { architecture }: ConversionSource,
): void {
  if (architecture === undefined || configPath !== undefined || embeddedConfig(from) === undefined) return;
  writeFileAtomic(
    join(folder, architecture.configFile),
    `${JSON.stringify(architecture.publishedConfig, null, 2)}\n`,
  );
}

function writeIndexes(folder: string, { files, format }: ConversionPlan, { layout }: ConvertOptions): void {
  if (layout !== undefined) {
    writeFileAtomic(join(folder, LAYOUT_FILE), `${JSON.stringify(layout, null, 2)}\n`);
    return;
  }
  const { indexName } = container(format);
  if (files.length === 1 || indexName === undefined) return;
  const total = files
    .flatMap(({ tensors }) => tensors)
    .reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
  const weightMap = files.flatMap(({ path, tensors }) => tensors.map(({ name }) => [name, path]));
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(weightMap) };
  writeFileAtomic(join(folder, indexName), `${JSON.stringify(index, null, 2)}\n`);
}
