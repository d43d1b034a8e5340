/**
 * What a rank sends in a step, in bytes, by rings: a sum over P ranks takes 2 (P - 1) / P times its size, gathering or scattering a sum half
 * of that (Thakur et al. 2005). What is exchanged when is in docs/parallel.md.
 */
import type { Recompute } from '../step/segments.js';
import type { RankLayout } from './rank-layout.js';
import { recomputedShare } from './step-time.js';

export interface CommunicationOptions {
  /** Of the part of the model that ranks with other rows have alike, trained and frozen ones. */
  readonly elements: number;
  readonly trainedElements: number;
  /** Of a parameter, and of what is between layers. */
  readonly computeBytes: number;
  /** Of a gradient as it is summed. */
  readonly gradientBytes: number;
  /** Of a micro-batch. */
  readonly tokens: number;
  readonly accumulation: number;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly recompute: Recompute;
}

export interface Communication {
  /** Between ranks that have other rows. */
  readonly data: number;
  /** Between ranks that share matrices. */
  readonly tensor: number;
}

export function communicationOf(layout: RankLayout, options: CommunicationOptions): Communication {
  return { data: dataBytes(layout, options), tensor: tensorBytes(layout, options) };
}

function dataBytes({ data, zero }: RankLayout, options: CommunicationOptions): number {
  const { elements, trainedElements, computeBytes, gradientBytes, accumulation } = options;
  const once = (data - 1) / data;
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
