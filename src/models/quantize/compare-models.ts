/** How far a quantised model is from the full one on a text: perplexity, divergence, agreement. */

import { intTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { CausalLm } from '../causal-lm.js';
import type { StreamedModel } from './streamed-model.js';

export interface ModelComparison {
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** exp of the mean negative log-likelihood. */
  readonly fullPerplexity: number;
  readonly perplexity: number;
  /** KL(full || quantised) in nats: the mean over all predictions, and the 99th percentile. */
  readonly divergence: number;
  readonly divergence99: number;
  /** Share of predictions in which both find the same token the likeliest. */
  readonly top1Agreement: number;
}

/** @param windows of token ids; the first token of each is not predicted @throws RangeError without a prediction */
export function compareModels(
  full: StreamedModel,
  quantized: StreamedModel,
  windows: readonly (readonly number[])[],
): ModelComparison {
  const states = [quantized, full].map((model) => finalStates(model, windows));
  const divergences: number[] = [];
  let [fullLoss, loss, same] = [0, 0, 0];
  for (const [place, window] of windows.entries())
    noGrad(() =>
      scope(() => {
        const ids = intTensor(window, [1, window.length]);
        const targets = ids.narrow(1, 1, window.length - 1).unsqueeze(-1); // [1, T - 1, 1]
        const [ours, theirs] = [quantized, full].map(({ model }, which) => {
          const hidden = states[which]?.[place];
          if (hidden === undefined) throw new RangeError(`there is no window ${place}`);
          return logProbs(model, hidden); // [1, T - 1, V]
        });
        if (ours === undefined || theirs === undefined) return;
        fullLoss -= theirs.gather(2, targets).to('float64').sum().item();
        loss -= ours.gather(2, targets).to('float64').sum().item();
        same += ours.argmax(-1).sub(theirs.argmax(-1)).eq(0).to('float64').sum().item();
        divergences.push(...theirs.exp().mul(theirs.sub(ours)).sum([-1]).to('float64').toArray());
      }),
    );
  for (const hidden of states.flat()) hidden.dispose();
  const tokens = divergences.length;
  if (tokens === 0) throw new RangeError('nothing is predicted');
  const sorted = divergences.toSorted((a, b) => a - b);
  return {
    tokens,
    fullPerplexity: Math.exp(fullLoss / tokens),
    perplexity: Math.exp(loss / tokens),
    divergence: divergences.reduce((sum, each) => sum + each, 0) / tokens,
    divergence99: sorted[Math.min(tokens - 1, Math.floor(tokens * 0.99))] ?? 0,
    top1Agreement: same / tokens,
  };
}

/** What the head reads, window by window, [1, T, D] float32: all windows go through one block, then through the next. The head is loaded then. */
function finalStates(source: StreamedModel, windows: readonly (readonly number[])[]): Tensor[] {
  const { contexts, hidden: embedded } = source.begin(windows);
  let hidden: Tensor[] = embedded;
  for (let index = 0; index < source.model.layers.length; index++) {
    const block = source.loadBlock(index);
    hidden = hidden.map((before, place) => {
      const context = contexts[place];
      if (context === undefined) throw new RangeError(`window ${place} has no context`);
      const after = noGrad(() => scope(() => block.forward(before, context, index))).keep();
      before.dispose();
      return after;
    });
    source.release(index);
  }
  source.load('head');
  return hidden;
}

/** Of the tokens behind each but the last. @param hidden [1, T, D] @returns [1, T - 1, V] float32 */
function logProbs(model: CausalLm, hidden: Tensor): Tensor {
  const logits = model.logits(hidden); // [1, T, V]
  return logits.narrow(1, 0, hidden.size(1) - 1).logSoftmax(-1, 'float32');
}
