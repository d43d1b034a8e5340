/** What a conversion is asked for. */
import type { AdapterNaming, ContainerFormat, ParallelLayout, TensorNaming } from '../../checkpoint/index.js';
import type { WrittenQuantization } from '../../formats/index.js';
import type { FloatDType } from '../../tensor/index.js';
import type { VocabularyExtension } from './extend-vocabulary.js';

/** What is read, and how it is written. */
export interface ConvertOptions {
  /** A file, an index of shards, a model folder, a folder of ranks, or a ZeRO checkpoint. */
  readonly from: string;
  /** A folder; or a file, if it has the ending of a container. */
  readonly to: string;
  /** Default: by the ending of `to`, else safetensors (ckpt for ranks). */
  readonly format?: ContainerFormat | undefined;
  /** Spelling of the tensors. Default: the source's, in a GGUF llama.cpp's. */
  readonly names?: TensorNaming | undefined;
  /** As a model of this class of transformers, config and all: a folder. Default: as the family is published. */
  readonly as?: 'llama' | undefined;
  /** Of the weights. Default: the source's. */
  readonly dtype?: FloatDType | undefined;
  /** Of the matrices of a GGUF for llama.cpp: packed into such blocks. Default: not packed. */
  readonly quantization?: WrittenQuantization | undefined;
  /** Cast what the family keeps in float32 (Spark's embedding, norms) too. */
  readonly castEmbedding?: boolean;
  /** Cast Spark's norms too. Default false. */
  readonly castNorm?: boolean;
  /** So many files of about one size. Default: as many as `maxShardBytes` asks for. */
  readonly shards?: number | undefined;
  /** Bytes of one file at most. Default 5 GB. */
  readonly maxShardBytes?: number | undefined;
  /** One folder for each rank, as MindSpore keeps them. Default: no ranks. */
  readonly layout?: ParallelLayout | undefined;
  /** Of the ranks to read. Default: their layout.json, else a strategy file beside them, else model parallel alone. */
  readonly sourceLayout?: ParallelLayout | undefined;
  /** MindSpore's strategy file of the ranks to read, or a folder of them; instead of `sourceLayout`. Default: none. */
  readonly sourceStrategy?: string | undefined;
  /** Of a ZeRO checkpoint: float32 master weights (default), or the weights as the model held them. */
  readonly zeroWeights?: 'master' | 'model' | undefined;
  /** A config that does not lie beside the weights. */
  readonly configPath?: string | undefined;
  /** merge: add the adapter to the weights; unmerge: take it out of them. */
  readonly merge?: 'merge' | 'unmerge' | undefined;
  /** A PEFT folder, or a file in any published spelling. */
  readonly adapter?: string | undefined;
  /** Where no adapter_config.json tells it. */
  readonly loraAlpha?: number | undefined;
  /** Spelling of LoRA matrices that stay apart. Default: the source's. */
  readonly adapterNaming?: AdapterNaming | undefined;
  /** Optimiser states and counters. Default: kept in ranks and .ckpt, else left out. */
  readonly states?: 'keep' | 'drop' | undefined;
  /** Names of tensors that are no parameter of the model and need not be written. Default: none but buffers and counters. */
  readonly leaveOut?: readonly string[] | undefined;
  /** The tokenizer that the model was trained with, and one that extends it: the embedding gets rows for its new pieces. */
  readonly vocabulary?: VocabularyExtension | undefined;
  /** Compute both sides in float32 on a few ids and compare. Default false. */
  readonly checkLogits?: boolean;
  /** Exchange what stands at `to`, once the new one is whole. Default false: an error. */
  readonly replace?: boolean;
}
