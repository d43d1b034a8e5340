/** What a conversion is asked for. */
import type { AdapterNaming, ContainerFormat, ParallelLayout, TensorNaming } from '../../checkpoint/index.js';
import type { WrittenQuantization } from '../../formats/index.js';
import type { FloatDType } from '../../tensor/index.js';
import type { VocabularyExtension } from './extend-vocabulary.js';

export interface ConvertOptions {
  readonly from: string;
  /** A folder; or a file, if it has the ending of a container. */
  readonly to: string;
  /** Default: by the ending of `to`, else safetensors (ckpt for ranks). */
  readonly format?: ContainerFormat | undefined;
  readonly names?: TensorNaming | undefined;
  /** As a model of this class of transformers, config and all: a folder. Default: as the family is published. */
  readonly as?: 'llama' | undefined;
  readonly dtype?: FloatDType | undefined;
  /** Of the matrices of a GGUF for llama.cpp: packed into such blocks. Default: not packed. */
  readonly quantization?: WrittenQuantization | undefined;
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
  readonly adapterNaming?: AdapterNaming | undefined;
  /** Optimiser states and counters. Default: kept in ranks and .ckpt, else left out. */
  readonly states?: 'keep' | 'drop' | undefined;
  /** Names of tensors that are no parameter of the model and need not be written. Default: none but buffers and counters. */
  readonly leaveOut?: readonly string[] | undefined;
  readonly vocabulary?: VocabularyExtension | undefined;
  readonly checkLogits?: boolean;
  readonly replace?: boolean;
}
