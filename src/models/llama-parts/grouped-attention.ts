/**
 * Llama's attention: one matrix each for queries, keys and values, where several heads of queries may share one of keys and
 * values.
 *
 * Shapes: B batch, T new tokens, D hidden, H heads of queries, K heads of keys and values, E head_dim.
 */
import {
  applyRotary,
  attendProjected,
  DenseLinear,
  type Linear,
  Module,
  projectTogether,
  RmsNorm,
} from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { ForwardContext } from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';

export interface GroupedAttentionOptions {
  /** Biases of queries, keys and values. Default false. */
  readonly inputBias?: boolean;
  /** Default false. */
  readonly outputBias?: boolean;
  /** Epsilon of an RMSNorm over each head of queries and of keys, before the rotation. Default: no such norm. */
  readonly headNormEps?: number;
}

export class GroupedAttention extends Module {
  readonly qProj: Linear; // D -> H * E
  readonly kProj: Linear; // D -> K * E
  readonly vProj: Linear; // D -> K * E
  readonly oProj: Linear; // H * E -> D
  readonly qNorm: RmsNorm | undefined; // E, one weight for all heads
  readonly kNorm: RmsNorm | undefined;
  readonly headDim: number;

  constructor(
    { hiddenSize, numHeads, numKvHeads, headDim }: ModelShape,
    { inputBias = false, outputBias = false, headNormEps }: GroupedAttentionOptions = {},
  ) {
    super();
    this.headDim = headDim;
    this.qProj = new DenseLinear(hiddenSize, numHeads * headDim, { bias: inputBias });
    this.kProj = new DenseLinear(hiddenSize, numKvHeads * headDim, { bias: inputBias });
    this.vProj = new DenseLinear(hiddenSize, numKvHeads * headDim, { bias: inputBias });
    this.oProj = new DenseLinear(numHeads * headDim, hiddenSize, { bias: outputBias });
    if (headNormEps !== undefined) {
      this.qNorm = new RmsNorm(headDim, headNormEps, 'before-weight');
      this.kNorm = new RmsNorm(headDim, headNormEps, 'before-weight');
    }
  }

  get hasHeadNorms(): boolean {
    return this.qNorm !== undefined || this.kNorm !== undefined;
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [queries, keys, values] = projectTogether(x, [this.qProj, this.kProj, this.vProj]);
    if (context.pagedLayer !== undefined && !this.hasHeadNorms)
      return this.oProj.forward(attendProjected(queries, keys, values, context.pagedLayer(layer)));
    const [batch = 0, length = 0] = x.shape;
    const heads = (projected: Tensor): Tensor => projected.view([batch, length, -1, this.headDim]);
    const normed = (projected: Tensor, norm: RmsNorm | undefined): Tensor =>
      norm?.forward(heads(projected)) ?? heads(projected);
    const q = normed(queries, this.qNorm).transpose(1, 2); // [B, H, T, E]
    const k = normed(keys, this.kNorm).transpose(1, 2); // [B, K, T, E]
    const v = heads(values).transpose(1, 2); // [B, K, T, E]
    const mixed = context.attend(layer, applyRotary(q, context.rotary), applyRotary(k, context.rotary), v); // [B, H, T, E]
    return this.oProj.forward(mixed.transpose(1, 2).reshape([batch, length, -1])); // [B, T, D]
  }
}
