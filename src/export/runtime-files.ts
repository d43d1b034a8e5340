/**
 * What lies beside a graph for those who run it: config.json for transformers.js and optimum, genai_config.json for
 * onnxruntime-genai, and the tokenizer.
 *
 * These runtimes have no code for a family; they ask its config for the number of layers and heads, and have a class for each
 * `model_type` of transformers. A family that is none of those gets a config of Llama's form, which says as much about the
 * inputs of the graph, and the published one lies beside it.
 */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile, writeFileAtomic } from '../formats/index.js';
import { type Architecture, copyAuxiliaryFiles, type FamilyName } from '../models/index.js';
import type { ExportDType } from './export-options.js';

/** Families whose model_type transformers knows without code from elsewhere. */
const KNOWN: ReadonlySet<FamilyName> = new Set(['llama', 'mistral', 'qwen2', 'qwen3', 'qwen3-moe']);

const PUBLISHED_CONFIG = 'published_config.json';

export interface RuntimeFilesOptions {
  readonly model: string;
  readonly config: string | undefined;
  readonly architecture: Architecture;
  /** The graph first, relative to the folder. */
  readonly files: readonly string[];
  readonly dtype: ExportDType;
  readonly contextLength: number;
  /** Never drawn. */
  readonly maskedTokenId: number | undefined;
}

export function writeRuntimeFiles(folder: string, options: RuntimeFilesOptions): void {
  const { model, config, architecture } = options;
  copyAuxiliaryFiles(model, folder, config);
  const path = join(folder, 'config.json');
  const isKnown = KNOWN.has(architecture.family);
  if (!isKnown && existsSync(path)) renameSync(path, join(folder, PUBLISHED_CONFIG));
  const published = architecture.publishedConfig;
  const base = isKnown && typeof published === 'object' ? published : llamaForm(options);
  writeJson(path, { ...base, 'transformers.js_config': browserConfig(options) });
  writeJson(join(folder, 'genai_config.json'), genaiConfig(options));
  writeGenerationConfig(folder, options);
}

function writeJson(path: string, value: object): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

function tokenIds({ bosTokenId, eosTokenIds, padTokenId }: Architecture) {
  const [only, second] = eosTokenIds;
  return {
    bos_token_id: bosTokenId ?? null,
    eos_token_id: second === undefined ? (only ?? null) : eosTokenIds,
    pad_token_id: padTokenId ?? only ?? null,
  };
}

function llamaForm({ architecture, contextLength }: RuntimeFilesOptions): object {
  const { shape, family } = architecture;
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    xinghe_family: family,
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.numLayers,
    num_attention_heads: shape.numHeads,
    num_key_value_heads: shape.numKvHeads,
    head_dim: shape.headDim,
    max_position_embeddings: contextLength,
    tie_word_embeddings: shape.tied,
    ...tokenIds(architecture),
  };
}

function browserConfig({ files, dtype }: RuntimeFilesOptions): object {
  return {
    dtype: dtype === 'float32' ? 'fp32' : dtype === 'float16' ? 'fp16' : 'int8',
    ...(dtype === 'float16' && { kv_cache_dtype: { fp16: 'float16' } }),
    ...(files.length > 1 && { use_external_data_format: true }),
  };
}

/** @see https://onnxruntime.ai/docs/genai/reference/config.html */
function genaiConfig({ architecture, files, contextLength }: RuntimeFilesOptions): object {
  const { shape } = architecture;
  return {
    model: {
      type: 'llama',
      ...tokenIds(architecture),
      context_length: contextLength,
      vocab_size: shape.vocabSize,
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
        filename: files[0],
        head_size: shape.headDim,
        hidden_size: shape.hiddenSize,
        num_attention_heads: shape.numHeads,
        num_hidden_layers: shape.numLayers,
        num_key_value_heads: shape.numKvHeads,
        inputs: {
          input_ids: 'input_ids',
          attention_mask: 'attention_mask',
          position_ids: 'position_ids',
          past_key_names: 'past_key_values.%d.key',
          past_value_names: 'past_key_values.%d.value',
        },
        outputs: {
          logits: 'logits',
          present_key_names: 'present.%d.key',
          present_value_names: 'present.%d.value',
        },
      },
    },
    search: {
      do_sample: false,
      max_length: contextLength,
      min_length: 0,
      num_beams: 1,
      num_return_sequences: 1,
      past_present_share_buffer: false,
      repetition_penalty: 1,
      temperature: 1,
      top_k: 1,
      top_p: 1,
    },
  };
}

/** What ends an answer; a token that the published prediction never draws is said too. */
function writeGenerationConfig(folder: string, { architecture, maskedTokenId }: RuntimeFilesOptions): void {
  const path = join(folder, 'generation_config.json');
  const existing = existsSync(path) ? readJsonFile(path) : {};
  writeJson(path, {
    ...tokenIds(architecture),
    ...(maskedTokenId !== undefined && { suppress_tokens: [maskedTokenId] }),
    ...(typeof existing === 'object' ? existing : {}),
  });
}
