/** What a GGUF for llama.cpp says beside its tensors, and which conversions cannot make one. */
import { basename, dirname, resolve } from 'node:path';
import {
  type ContainerFormat,
  isAdapterHalf,
  type PlannedFile,
  type PlannedTensor,
  type TensorNaming,
} from '../../../checkpoint/index.js';
import { InputError } from '../../../errors/index.js';
import { fileStatus, type GgufValue, memoryView } from '../../../formats/index.js';
import { ggufAt } from '../../gguf/gguf-at.js';
import type { ModelShape } from '../../model-shape.js';
import { holdsTokenizer } from '../../model-tokenizer.js';
import type { ConversionSource } from '../open-source.js';
import { GGUF_CONFIG_KEY } from './gguf-config.js';
import { FREQUENCY_DIVISORS, type GgufLayout } from './gguf-layout.js';
import { type GgufMetadata, tokenizerMetadata } from './gguf-tokenizer.js';

interface GgufRequest {
  readonly from: string;
  readonly names?: TensorNaming | undefined;
  readonly dtype?: string | undefined;
  readonly layout?: unknown;
  readonly merge?: unknown;
  readonly states?: 'keep' | 'drop' | undefined;
}

/**
 * The naming to write. In a GGUF it is llama.cpp's, unless `--names` asks for another: then the file is a container and
 * nothing more. undefined: the source's.
 * @throws InputError where llama.cpp's cannot be written
 */
export function targetNaming(
  request: GgufRequest,
  source: ConversionSource,
  format: ContainerFormat,
): TensorNaming | undefined {
  const { names } = request;
  if (names === 'gguf' && format !== 'gguf')
    throw new InputError(
      `--names gguf is llama.cpp's layout, which belongs into a .gguf, not into ${format}.`,
    );
  if (names !== 'gguf' && (names !== undefined || format !== 'gguf'))
    return names ?? (source.model.naming === 'gguf' ? 'published' : undefined);
  refuseRequest(request, source);
  return 'gguf';
}

const WAY_OUT = 'For a GGUF that is a container and nothing more, give --names published.';

function refuseRequest({ from, layout, merge, states, dtype }: GgufRequest, source: ConversionSource): void {
  const refuse = (problem: string): never => {
    throw new InputError(`${from}: ${problem}. ${WAY_OUT}`);
  };
  const { architecture, family, model } = source;
  if (family === undefined)
    refuse("no family here knows these tensors, so that nobody can tell llama.cpp's names and rows of them");
  if (architecture === undefined) {
    refuse(
      "llama.cpp's layout depends on the model's config, which does not lie beside the weights; give it with --config",
    );
    return;
  }
  if ('unsupported' in architecture.gguf) refuse(architecture.gguf.unsupported);
  if (layout !== undefined) refuse('llama.cpp reads whole models, no ranks');
  if (states === 'keep') refuse("llama.cpp's layout has no place for optimiser states");
  if (merge !== undefined)
    refuse('merge the adapter first (--merge into safetensors), then write the GGUF of the result');
  if ([...model.weights.keys()].some(isAdapterHalf))
    refuse('it holds LoRA matrices; merge them first (--merge into safetensors)');
  const isDouble = [...model.weights.values()].some((view) => view.dtype === 'float64');
  if (dtype === 'float64' || (dtype === undefined && isDouble))
    refuse('llama.cpp does not compute in float64; give another --dtype');
}

function scalingKeys(prefix: string, scaling: GgufLayout['ropeScaling']): [string, GgufValue][] {
  if (scaling === undefined) return [];
  const { type, factor, original } = scaling;
  return [
    [`${prefix}.rope.scaling.type`, { type: 'string', value: type }],
    [`${prefix}.rope.scaling.factor`, { type: 'float32', value: factor }],
    ...(original === undefined
      ? []
      : [
          [`${prefix}.rope.scaling.original_context_length`, { type: 'uint32', value: original }] satisfies [
            string,
            GgufValue,
          ],
        ]),
  ];
}

/** llama.cpp takes hidden size / heads where these keys are absent. */
function headSizeKeys(prefix: string, { headDim, numHeads, hiddenSize }: ModelShape): [string, GgufValue][] {
  if (headDim * numHeads === hiddenSize) return [];
  return ['key_length', 'value_length'].map((key) => [
    `${prefix}.attention.${key}`,
    { type: 'uint32', value: headDim },
  ]);
}

function expertKeys(prefix: string, experts: GgufLayout['experts']): [string, GgufValue][] {
  if (experts === undefined) return [];
  return [
    [`${prefix}.expert_count`, { type: 'uint32', value: experts.count }],
    [`${prefix}.expert_used_count`, { type: 'uint32', value: experts.perToken }],
    [`${prefix}.expert_feed_forward_length`, { type: 'uint32', value: experts.intermediateSize }],
  ];
}

/** What a file whose naming is `gguf` holds beside the parameters. */
export function ggufTensors({ architecture }: ConversionSource): PlannedTensor[] {
  const { gguf } = architecture ?? {};
  if (gguf === undefined || !('scheme' in gguf) || gguf.frequencyDivisors === undefined) return [];
  const values = Float32Array.from(gguf.frequencyDivisors);
  const view = memoryView(FREQUENCY_DIVISORS, 'float32', [values.length], new Uint8Array(values.buffer));
  return [{ name: FREQUENCY_DIVISORS, view, dtype: 'float32', shape: view.shape, paths: [] }];
}

/** ggml's number of what most matrices are. */
function fileType(matrix: PlannedTensor | undefined): number {
  return FILE_TYPES.get(matrix?.quantization ?? matrix?.dtype ?? 'float32') ?? 0;
}

/** ggml's number of a file's dtype, or of its blocks. */
const FILE_TYPES = new Map<string, number>([
  ['Q4_0', 2],
  ['Q8_0', 7],
  ['Q4_K', 14],
  ['Q6_K', 18],
  ['float32', 0],
  ['float16', 1],
  ['bfloat16', 32],
]);

/** The keys of a file whose naming is `gguf`. */
export function ggufMetadata(
  from: string,
  { architecture }: ConversionSource,
  files: readonly PlannedFile[],
): GgufMetadata {
  if (architecture === undefined || !('scheme' in architecture.gguf))
    throw new TypeError('targetNaming allows the layout only where it is known');
  const { gguf: layout, shape } = architecture;
  const inside = holdsTokenizer(from)
    ? [...(ggufAt(from)?.metadata ?? [])].filter(([key]) => /^(?:tokenizer|xinghe\.file)\./.test(key))
    : [];
  const folder = fileStatus(from)?.isDirectory() === true ? from : dirname(from);
  const matrix = files.flatMap(({ tensors }) => tensors).find(({ shape }) => shape.length === 2);
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const count = (value: number): GgufValue => ({ type: 'uint32', value });
  const real = (value: number): GgufValue => ({ type: 'float32', value });
  const prefix = layout.architecture;
  return new Map<string, GgufValue>([
    ['general.architecture', text(prefix)],
    ['general.type', text('model')],
    ['general.name', text(basename(resolve(folder)))],
    ['general.file_type', count(fileType(matrix))],
    ...(matrix?.quantization === undefined ? [] : [['general.quantization_version', count(2)] as const]),
    [`${prefix}.vocab_size`, count(shape.vocabSize)],
    [`${prefix}.context_length`, count(layout.contextLength)],
    [`${prefix}.embedding_length`, count(shape.hiddenSize)],
    [`${prefix}.block_count`, count(shape.numLayers)],
    [`${prefix}.feed_forward_length`, count(shape.intermediateSize)],
    ...expertKeys(prefix, layout.experts),
    [`${prefix}.rope.dimension_count`, count(shape.headDim)],
    [`${prefix}.rope.freq_base`, real(layout.ropeBase)],
    ...scalingKeys(prefix, layout.ropeScaling),
    ...(layout.attentionFactor === undefined
      ? []
      : [[`${prefix}.rope.scaling.attn_factor`, real(layout.attentionFactor)] as const]),
    [`${prefix}.attention.head_count`, count(shape.numHeads)],
    [`${prefix}.attention.head_count_kv`, count(shape.numKvHeads)],
    ...headSizeKeys(prefix, shape),
    [`${prefix}.attention.layer_norm_rms_epsilon`, real(layout.normEpsilon)],
    ...(inside.length > 0 ? inside : tokenizerMetadata(folder, architecture)),
    [GGUF_CONFIG_KEY, text(JSON.stringify(architecture.publishedConfig))],
  ]);
}
