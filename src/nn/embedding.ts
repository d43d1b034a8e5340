/** Token embedding, and its use as the output projection of models that tie the two. */
import { operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';

const embedding = operator('aten::embedding');
const linear = operator('xinghe::linear');

/** ATen's word for none. */
const NO_PADDING = -1;

export class Embedding extends Module {
  weight: Tensor; // [V, D]
  readonly paddingId: number | undefined;

  /** @param options.paddingId of the row that gets no gradient from texts, as PyTorch's padding_idx. Default: none. */
  constructor(
    vocabSize: number,
    hiddenSize: number,
    { paddingId }: { readonly paddingId?: number | undefined } = {},
  ) {
    super();
    this.weight = parameter(vocabSize, hiddenSize);
    this.paddingId = paddingId;
  }

  /** @param inputIds [B, T] @returns [B, T, D] */
  forward(inputIds: Tensor): Tensor {
    return embedding(this.weight, inputIds, this.paddingId ?? NO_PADDING);
  }

  /** Logits by the tied table. @param hidden [B, T, D] @returns [B, T, V] */
  project(hidden: Tensor): Tensor {
    return linear(hidden, this.weight.to(hidden.dtype));
  }
}
