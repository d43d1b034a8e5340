/** What the tests of cached forwards share: chunked feeding, tiny models, and TeleChat's rotation by chunks. */

import type { CausalLm } from '../src/models/index.js';
import { ntkAlpha } from '../src/models/ntk.js';
import { telechatConfigSchema } from '../src/models/telechat/config.js';
import { TelechatModel } from '../src/models/telechat/model.js';
import { initializeModule, type Rotary, rotaryTable } from '../src/nn/index.js';
import { cat, Generator, intTensor, noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { maxAbsDifference } from './golden.js';

/** Ids without pattern, the same at every run. */
export function someIds(batch: number, length: number, vocabSize: number): Tensor {
  const ids = Array.from({ length: batch * length }, (_, index) => ((index + 7) * 7919) % vocabSize);
  return intTensor(ids, [batch, length]);
}

/** Logits of all positions, fed to a cache in the given chunks. */
export function cachedLogits(
  model: CausalLm,
  inputIds: Tensor,
  chunks: readonly number[],
  mask?: Tensor,
): Tensor {
  const cache = model.createCache();
  const logits: Tensor[] = [];
  let start = 0;
  for (const length of chunks) {
    const attentionMask = mask?.narrow(1, 0, start + length);
    logits.push(model.forward(inputIds.narrow(1, start, length), { cache, attentionMask }));
    start += length;
  }
  cache.dispose();
  return cat(logits, 1);
}

export function oneByOne(count: number): number[] {
  return new Array<number>(count).fill(1);
}

export function inScope(body: () => void): void {
  scope(() => noGrad(body));
}

export const tinyTelechat = {
  model_type: 'telechat',
  vocab_size: 16,
  hidden_size: 8,
  n_head: 1,
  n_layer: 1,
  ffn_hidden_size: 8,
  tie_word_embeddings: false,
};

/** Weights of order 1, so that the logits depend on every key. */
export function initialised<Model extends CausalLm>(model: Model, std = 1): Model {
  const generator = new Generator(1);
  initializeModule(model, { rule: { kind: 'normal', std }, generator, dtype: 'float64' });
  return model;
}

/**
 * TeleChat whose tokens are turned by the base and scale of the step that brings them when the chunks come one after
 * the other: what a cache must give, without a cache.
 */
class TelechatByChunks extends TelechatModel {
  chunks: readonly number[] = [];
  trainingLength = 8192;
  headDim = 8;

  protected override rotations(): { rotary: Rotary; keyRotary: undefined } {
    let start = 0;
    const tables = this.chunks.map((length) => {
      const total = Math.max(start + length, this.trainingLength);
      const base = 10000 * ntkAlpha(total, 8192) ** (this.headDim / (this.headDim - 2));
      const scale = 0.1 * Math.log(total / this.trainingLength) + 1;
      const { headDim } = this;
      const table = rotaryTable({ start, length, headDim, base, scale, dtype: 'float64', device: 'cpu' });
      start += length;
      return table;
    });
    const cos = cat(tables.map((table) => table.cos));
    const sin = cat(tables.map((table) => table.sin));
    return { rotary: { cos, sin }, keyRotary: undefined };
  }
}

/**
 * How far the cached logits of a random TeleChat are from those that the chunks' own rotations give without a cache;
 * and, for the first `probe` tokens, how far a forward in one piece is from them.
 */
export function telechatCacheDifference(
  trainingLength: number,
  chunks: readonly number[],
  { layers, probe }: { layers: number; probe: number },
): { cached: number; inOnePiece: number } {
  const config = { ...tinyTelechat, n_layer: layers, training_seqlen: trainingLength };
  const parsed = telechatConfigSchema.parse(config);
  const model = initialised(new TelechatModel(parsed));
  const reference = initialised(new TelechatByChunks(parsed));
  Object.assign(reference, { chunks, trainingLength });
  const total = chunks.reduce((sum, length) => sum + length, 0);
  const inputIds = someIds(1, total, 16);
  const expected = reference.forward(inputIds);
  const inOnePiece = model.forward(inputIds.narrow(1, 0, probe));
  return {
    cached: maxAbsDifference(cachedLogits(model, inputIds, chunks), expected),
    inOnePiece: maxAbsDifference(inOnePiece, expected.narrow(1, 0, probe)),
  };
}
