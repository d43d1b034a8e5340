/**
 * What the models of the Llama layout have in common: an embedding, blocks of one kind, a norm, and logits by a matrix of
 * their own or by the embedding table. What a block is made of stands in the family's model.ts.
 *
 * Shapes: B batch, T new tokens, D hidden, V vocabulary.
 */
import { DenseLinear, Embedding, type Linear, type RmsNorm } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { CausalLm, type ModelEnds, type RotaryParameters } from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';
import type { PreNormBlock } from './pre-norm-block.js';
import { type Rotation, rotaryParametersAt } from './rotation.js';

export interface PreNormModelParts {
  readonly rotation: Rotation;
  /** Makes the block of a layer. */
  readonly block: (layer: number) => PreNormBlock;
  readonly finalNorm: RmsNorm;
  /** The row of the embedding that training leaves alone. Default: none. */
  readonly paddingId?: number | undefined;
}

export abstract class PreNormModel extends CausalLm {
  readonly embedTokens: Embedding;
  readonly layers: readonly PreNormBlock[];
  readonly finalNorm: RmsNorm;
  readonly lmHead: Linear | undefined; // undefined: tied to embedTokens
  readonly ends: ModelEnds;
  override readonly rotatesTextsApart: boolean;
  readonly #rotation: Rotation;

  constructor(shape: ModelShape, { rotation, block, finalNorm, paddingId }: PreNormModelParts) {
    super(shape);
    const { vocabSize, hiddenSize, numLayers, tied } = shape;
    this.#rotation = rotation;
    this.rotatesTextsApart = rotation.dynamic !== undefined;
    this.embedTokens = new Embedding(vocabSize, hiddenSize, { paddingId });
    this.layers = Array.from({ length: numLayers }, (_, layer) => block(layer));
    this.finalNorm = finalNorm;
    this.lmHead = tied ? undefined : new DenseLinear(hiddenSize, vocabSize);
    this.ends = {
      embedding: ['embedTokens'],
      head: ['finalNorm', tied ? 'embedTokens' : 'lmHead'],
    };
  }

  embed(inputIds: Tensor): Tensor {
    return this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    const normed = this.finalNorm.forward(hidden);
    return this.lmHead?.forward(normed) ?? this.embedTokens.project(normed); // [B, T, V]
  }

  override rotaryParameters(length: number): RotaryParameters {
    return rotaryParametersAt(this.#rotation, this.shape.headDim, length);
  }
}
