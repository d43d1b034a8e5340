/** `xinghe convert`: any checkpoint to any other. */
import { basename } from 'node:path';
import {
  CONTAINER_FORMATS,
  DEFAULT_SHARD_THRESHOLD,
  type ParallelLayout,
  TENSOR_NAMINGS,
} from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { isStored, placeOfView } from '../formats/index.js';
import { convert as convertModel } from '../library/index.js';
import { formatBytes, log } from '../log/index.js';
import { type ConversionPlan, type ConvertOptions, planConversion } from '../models/index.js';
import type { FloatDType } from '../tensor/index.js';
import { hubOptions, placed } from './hub-options.js';
import { parseOptions } from './options.js';

const specs = {
  from: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    required: true,
    help: 'a file, an index of shards, a model folder, a folder of rank_0, rank_1, …, or a ZeRO checkpoint',
  },
  ...hubOptions,
  to: {
    kind: 'string',
    value: 'PATH',
    required: true,
    help: 'a new folder, or a new file ending in .safetensors, .bin, .pt, .ckpt or .gguf',
  },
  format: {
    kind: 'string',
    allowedValues: CONTAINER_FORMATS,
    help: 'default: by the ending, else safetensors (ranks: ckpt)',
  },
  names: {
    kind: 'string',
    allowedValues: TENSOR_NAMINGS,
    help: "spelling of the tensors; default: the source's, in a .gguf llama.cpp's (gguf)",
  },
  as: {
    kind: 'string',
    allowedValues: ['llama'],
    help: 'a folder that transformers loads as Llama, without code from elsewhere: XVERSE, TeleChat, TeleChat-52B, TeleChat3',
  },
  dtype: {
    kind: 'string',
    allowedValues: ['float32', 'float64', 'bfloat16', 'float16', 'q8_0', 'q6_k', 'q4_k', 'q4_0'],
    help:
      "of the weights; default: the source's. Spark's embedding and norms stay float32 unless asked otherwise; q8_0, q6_k, q4_k, q4_0: " +
      'the matrices of a .gguf in blocks of so many bits',
  },
  'cast-embedding': { kind: 'flag', help: "cast Spark's embedding too (published as embed_bf16)" },
  'cast-norm': { kind: 'flag', help: "cast Spark's norms too (published as layernorm_bf16)" },
  shards: { kind: 'integer', min: 1, help: 'so many files of about one size, with an index' },
  'max-shard-size': {
    kind: 'string',
    value: '5GB',
    help: 'or as many files as keep each below this; default 5GB',
  },
  layout: {
    kind: 'string',
    value: 'dp=D,mp=M,pp=P[,optimizer-shard[,threshold=KB]]',
    help: 'one folder rank_{i} for each rank, as MindSpore keeps them',
  },
  'source-layout': {
    kind: 'string',
    value: 'dp=D,mp=M,…,optimizer-shard,threshold=KB',
    help: 'of the ranks to read; default: layout.json there, else a strategy file, else mp only',
  },
  'source-strategy': {
    kind: 'string',
    value: 'PATH',
    help: "MindSpore's strategy file of the ranks to read, or a folder of them; default: that beside the ranks",
  },
  'zero-weights': {
    kind: 'string',
    allowedValues: ['master', 'model'],
    help: 'of a ZeRO checkpoint: float32 master weights (default), or the 16-bit ones that the model held',
  },
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  merge: { kind: 'flag', help: 'add LoRA matrices (of --adapter, or in the source) to the weights' },
  unmerge: { kind: 'flag', help: 'take the update of --adapter out of the weights again' },
  adapter: {
    kind: 'string',
    value: 'PATH',
    help: 'a PEFT folder, or a file in any of the published spellings',
  },
  'lora-alpha': { kind: 'number', help: 'where no adapter_config.json tells it' },
  'adapter-names': {
    kind: 'string',
    allowedValues: ['peft', 'mindpet', 'telechat'],
    help: "spelling of LoRA matrices that stay apart; default: the source's",
  },
  'optimizer-states': {
    kind: 'string',
    allowedValues: ['keep', 'drop'],
    help: 'Adam moments and counters; default: keep in ranks and .ckpt, else drop',
  },
  'leave-out': {
    kind: 'string',
    value: 'NAME,…',
    help: 'tensors that are no parameter of the model and need not be written; others that nobody knows are refused',
  },
  'vocabulary-from': {
    kind: 'string',
    value: 'FILE',
    help: 'with --vocabulary-to: the tokenizer file that the model was trained with',
  },
  'vocabulary-to': {
    kind: 'string',
    value: 'FILE',
    help: 'one that extends it (xinghe tokenizer merge): the embedding gets rows for its new pieces',
  },
  'check-logits': {
    kind: 'flag',
    help: 'compute both sides in float32 on a few ids and compare; a merged adapter stands beside the layers of the other side',
  },
  'dry-run': { kind: 'flag', help: 'list every tensor with its source, and write nothing' },
  overwrite: { kind: 'flag', help: 'exchange what stands at --to, once the new one is whole and proven' },
  json: { kind: 'flag', help: 'print the result as JSON on stdout' },
} as const;

export async function convert(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe convert',
        summary:
          'weights and optimiser states to another container, spelling, dtype, number of files or ranks',
        notes:
          'Container and family of the source are recognised by its content. The output is written in a temporary place, read\n' +
          'back, compared by checksums and only then renamed; two tensors at most are in memory.',
      },
      specs,
      args,
    ),
  );
  if (options.merge && options.unmerge)
    throw new InputError('xinghe convert: give --merge or --unmerge, not both.');
  if (options.shards !== undefined && options['max-shard-size'] !== undefined)
    throw new InputError('xinghe convert: give --shards or --max-shard-size, not both.');
  if (options.layout !== undefined && options.shards !== undefined)
    throw new InputError('xinghe convert: give --layout (ranks) or --shards (files), not both.');
  if (options.layout !== undefined && options['max-shard-size'] !== undefined)
    throw new InputError('xinghe convert: give --layout (ranks) or --max-shard-size (files), not both.');
  if (options['source-layout'] !== undefined && options['source-strategy'] !== undefined)
    throw new InputError('xinghe convert: give --source-layout or --source-strategy, not both.');
  const request: ConvertOptions = {
    from: options.from,
    to: options.to,
    format: options.format,
    names: options.names,
    as: options.as,
    ...precisionOf(options.dtype),
    castEmbedding: options['cast-embedding'],
    castNorm: options['cast-norm'],
    shards: options.shards,
    maxShardBytes: options['max-shard-size'] === undefined ? undefined : parseSize(options['max-shard-size']),
    layout: options.layout === undefined ? undefined : parseLayout('--layout', options.layout),
    sourceLayout:
      options['source-layout'] === undefined
        ? undefined
        : parseLayout('--source-layout', options['source-layout']),
    sourceStrategy: options['source-strategy'],
    zeroWeights: options['zero-weights'],
    configPath: options.config,
    merge: options.merge ? 'merge' : options.unmerge ? 'unmerge' : undefined,
    adapter: options.adapter,
    loraAlpha: options['lora-alpha'],
    adapterNaming: options['adapter-names'],
    states: options['optimizer-states'],
    leaveOut: options['leave-out']?.split(','),
    vocabulary: vocabularyOf(options['vocabulary-from'], options['vocabulary-to']),
    checkLogits: options['check-logits'],
    replace: options.overwrite,
  };
  if (options['dry-run']) {
    printPlan(planConversion(request), options.json);
    return 0;
  }
  const result = await convertModel(request);
  for (const { name, reason } of result.leftOut.slice(0, 10)) log(`left out: ${name} (${reason})`);
  if (result.leftOut.length > 10) log(`left out: ${result.leftOut.length - 10} more`);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  }
  log(
    `${result.to}: ${result.tensors} tensors, ${formatBytes(result.bytes)} in ${result.files} ` +
      `file${result.files === 1 ? '' : 's'} (${result.format}), read back and compared; ${result.seconds.toFixed(1)} s, ` +
      `${formatBytes(result.bytes / result.seconds)}/s`,
  );
  if (result.logits !== undefined)
    log(
      `logits: largest difference ${result.logits.largestDifference.toPrecision(3)}, their deviation ` +
        `${result.logits.deviation.toPrecision(3)}`,
    );
  return 0;
}

function printPlan({ files, format, source, leftOut }: ConversionPlan, json: boolean): void {
  const rows = files.flatMap(({ path, tensors }) =>
    tensors.map(({ name, dtype, shape, view, update, quantization }) => ({
      file: path,
      name,
      dtype: quantization?.toLowerCase() ?? dtype,
      shape,
      source: `${view.source}${update === undefined ? '' : ' + LoRA'}`,
      sourceFile: isStored(view) ? placeOfView(view) : undefined,
      sourceDtype: view.dtype,
    })),
  );
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ format, family: source.family?.name, tensors: rows, leftOut })}\n`,
    );
    return;
  }
  for (const row of rows) {
    const dtype = row.dtype === row.sourceDtype ? row.dtype : `${row.sourceDtype} -> ${row.dtype}`;
    process.stdout.write(
      `${row.file}  ${row.name}  [${row.shape.join(', ')}] ${dtype}  <- ${row.source}${row.sourceFile === undefined ? '' : `  (${basename(row.sourceFile)})`}\n`,
    );
  }
  for (const { name, reason } of leftOut) process.stdout.write(`left out  ${name} (${reason})\n`);
}

function vocabularyOf(from: string | undefined, to: string | undefined) {
  if (from === undefined && to === undefined) return undefined;
  if (from !== undefined && to !== undefined) return { from, to };
  throw new InputError('xinghe convert: --vocabulary-from and --vocabulary-to belong together; give both.');
}

/**
 * "dp=2,mp=4,pp=1,optimizer-shard,threshold=64"; the threshold in KB, as MindSpore's parallel_optimizer_threshold.
 */
function parseLayout(option: string, text: string): ParallelLayout {
  const sizes = new Map([
    ['dp', 1],
    ['mp', 1],
    ['pp', 1],
  ]);
  let optimizerShard = false;
  let threshold = DEFAULT_SHARD_THRESHOLD / 1024;
  for (const part of text.split(',')) {
    const [key = '', value] = part.trim().split('=');
    if (key === 'optimizer-shard' && value === undefined) {
      optimizerShard = true;
      continue;
    }
    const size = value === undefined || !/^\d+$/.test(value) ? Number.NaN : Number(value);
    if (key === 'threshold' && Number.isSafeInteger(size)) {
      threshold = size;
      continue;
    }
    if (!sizes.has(key) || !Number.isSafeInteger(size) || size < 1)
      throw new InputError(
        `xinghe convert: ${option} is "${text}"; give sizes from 1 as in dp=2,mp=4,pp=1,optimizer-shard,threshold=64 (KB).`,
      );
    sizes.set(key, size);
  }
  return {
    dataParallel: sizes.get('dp') ?? 1,
    modelParallel: sizes.get('mp') ?? 1,
    pipelineStages: sizes.get('pp') ?? 1,
    optimizerShard,
    shardThreshold: threshold * 1024,
  };
}

const UNITS = new Map([
  ['', 1],
  ['B', 1],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
]);

/** "5GB", as Hugging Face writes it: powers of ten. */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = UNITS.get((match?.[2] ?? '?').toUpperCase());
  const bytes = Math.floor(Number(match?.[1]) * (unit ?? Number.NaN));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InputError(`xinghe convert: --max-shard-size is "${text}"; give a size such as 5GB or 500MB.`);
}

const BLOCKS = { q8_0: 'Q8_0', q6_k: 'Q6_K', q4_k: 'Q4_K', q4_0: 'Q4_0' } as const;

/** One option says both: floats of a width, or blocks. */
function precisionOf(
  given: FloatDType | keyof typeof BLOCKS | undefined,
): Pick<ConvertOptions, 'dtype' | 'quantization'> {
  switch (given) {
    case 'q8_0':
    case 'q6_k':
    case 'q4_k':
    case 'q4_0':
      return { quantization: BLOCKS[given] };
    default:
      return { dtype: given };
  }
}
