/** Token embedding, and its use as the output projection of models that tie the two. */
import { operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';

const embedding = operator('aten::embedding');
const linear = operator('xinghe::linear');

export class Embedding extends Module {
  weight: Tensor; // [V, D]

  constructor(vocabSize: number, hiddenSize: number) {
    super();
    this.weight = parameter(vocabSize, hiddenSize);
  }

  /** @param inputIds [B, T] @returns [B, T, D] */
  forward(inputIds: Tensor): Tensor {
    return embedding(this.weight, inputIds);
  }

  /** Logits by the tied table. @param hidden [B, T, D] @returns [B, T, V] */
  project(hidden: Tensor): Tensor {
    return linear(hidden, this.weight.to(hidden.dtype));
  }
}
