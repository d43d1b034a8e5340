/**
 * What a rank sends in a step, in bytes, by rings: a sum over P ranks takes 2 (P - 1) / P times its size, gathering or scattering a sum half
 * of that (Thakur et al. 2005). What is exchanged when is in docs/parallel.md.
 */
import type { Recompute } from '../step/segments.js';
import { type RankLayout, replicasOf } from './rank-layout.js';
import { recomputedShare } from './step-time.js';

export interface CommunicationOptions {
  /** Of the part of the model that ranks with other rows have alike, trained and frozen ones. */
  readonly elements: number;
  readonly trainedElements: number;
  /** Of a parameter, and of what is between layers. */
  readonly computeBytes: number;
  /** Of a gradient as it is summed. */
  readonly gradientBytes: number;
  /** Of a micro-batch, that the rank reads. */
  readonly tokens: number;
  readonly accumulation: number;
  /** Blocks of the rank's stage. */
  readonly layers: number;
  readonly hiddenSize: number;
  /** Widths of queries, and of keys and values as they are exchanged, of one rank's heads. */
  readonly exchangedWidth: number;
  readonly recompute: Recompute;
  /** Boundaries over which the rank's chunks hand on hidden states, and over which they hand back gradients. */
  readonly sentForward: number;
  readonly sentBackward: number;
}

export interface Communication {
  /** Between ranks that have other rows, or other tokens: gradients and parameters. */
  readonly data: number;
  /** Between ranks that share matrices. */
  readonly tensor: number;
  /** From stage to stage. */
  readonly pipeline: number;
  /** Heads for tokens. */
  readonly context: number;
}

export function sentBytes({ data, tensor, pipeline, context }: Communication): number {
  return data + tensor + pipeline + context;
}

export function communicationOf(layout: RankLayout, options: CommunicationOptions): Communication {
  return {
    data: dataBytes(layout, options),
    tensor: tensorBytes(layout, options),
    pipeline: pipelineBytes(layout, options),
    context: contextBytes(layout, options),
  };
}

function dataBytes(layout: RankLayout, options: CommunicationOptions): number {
  const { zero } = layout;
  const { elements, trainedElements, computeBytes, gradientBytes, accumulation } = options;
  const replicas = replicasOf(layout);
  const once = (replicas - 1) / replicas;
  const gradients = once * trainedElements * gradientBytes;
  const trained = once * trainedElements * computeBytes;
  const all = once * elements * computeBytes;
  switch (zero) {
    case 0:
      return 2 * gradients;
    case 1:
      return gradients + trained;
    case 2:
      return accumulation * gradients + trained;
    case 3:
      return accumulation * (gradients + 2 * all);
    default:
      return zero satisfies never;
  }
}

function tensorBytes({ tensor }: RankLayout, options: CommunicationOptions): number {
  const { computeBytes, tokens, accumulation, layers, hiddenSize, recompute } = options;
  const sum = (2 * (tensor - 1)) / tensor;
  // Two sums a block and pass, one behind the embedding, one before the head.
  const passes = 2 + recomputedShare(recompute, layers);
  const sums = 2 * layers * passes + 2;
  return accumulation * sum * sums * tokens * hiddenSize * computeBytes;
}

/** A hidden state forward, its gradient back; with `sequence` each rank's own tokens of them. */
function pipelineBytes({ tensor, sequence }: RankLayout, options: CommunicationOptions): number {
  const { computeBytes, tokens, accumulation, hiddenSize, sentForward, sentBackward } = options;
  const own = sequence ? Math.ceil(tokens / tensor) : tokens;
  return accumulation * (sentForward + sentBackward) * own * hiddenSize * computeBytes;
}

/** Queries, keys, values and what attention gives, in each pass; what a rank keeps of its own is not sent. */
function contextBytes({ context }: RankLayout, options: CommunicationOptions): number {
  const { computeBytes, tokens, accumulation, layers, exchangedWidth, recompute } = options;
  const passes = 2 + recomputedShare(recompute, layers);
  return (
    ((accumulation * (context - 1)) / context) * layers * passes * tokens * exchangedWidth * computeBytes
  );
}
