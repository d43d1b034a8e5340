/** What the tests of paged forwards share: chunked feeding, tiny models, and TeleChat's rotation by chunks. */
import { ModelRunner } from '../../src/generation/engine/model-runner.js';
import type { CausalLm, ForwardContext } from '../../src/models/index.js';
import { ntkAlpha } from '../../src/models/ntk.js';
import { telechatConfigSchema } from '../../src/models/telechat/config.js';
import { TelechatModel } from '../../src/models/telechat/model.js';
import { BLOCK_SIZE, initializeModule, PagedKvCache, rotaryTable } from '../../src/nn/index.js';
import { cat, intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../../src/tensor/index.js';
import { maxAbsDifference } from './golden.js';

/** Ids without pattern, the same at every run. */
export function someIds(batch: number, length: number, vocabSize: number): Tensor {
  const ids = Array.from({ length: batch * length }, (_, index) => ((index + 7) * 7919) % vocabSize);
  return intTensor(ids, [batch, length]);
}

/** Runs pieces of texts through pages that lie in no order, as an engine would. */
export class PagedForward {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #runner: ModelRunner;
  readonly #blocks: readonly (readonly number[])[];
  readonly #lengths: number[];

  constructor(model: CausalLm, batch: number, capacity: number) {
    const perText = Math.ceil(capacity / BLOCK_SIZE);
    this.#model = model;
    this.#cache = new PagedKvCache({
      layers: model.layers.length,
      blocks: perText * batch,
      numKvHeads: model.shape.numKvHeads,
      headDim: model.shape.headDim,
      dtype: model.computeDType,
      device: model.device,
      window: model.layers.map((_, layer) => model.slidingWindows[layer]),
    });
    this.#runner = new ModelRunner(model, this.#cache, undefined);
    // From the last block down, the texts in turns.
    this.#blocks = Array.from({ length: batch }, (_, row) =>
      Array.from({ length: perText }, (_, block) => (perText - 1 - block) * batch + row),
    );
    this.#lengths = new Array<number>(batch).fill(0);
  }

  /** Logits of the next tokens of every text. @param inputIds int64 [B, T] @param seen of these tokens [B][T] */
  run(inputIds: Tensor, seen?: readonly (readonly boolean[])[]): Tensor {
    const [batch = 0, length = 0] = inputIds.shape;
    const ids = inputIds.to('float64').toFloat64Array();
    const chunks = this.#blocks.map((blocks, row) => {
      const position = this.#lengths[row] ?? 0;
      const marks = seen?.[row];
      if (marks !== undefined) this.#cache.setAttentionMask(blocks, position, marks);
      this.#lengths[row] = position + length;
      return {
        ids: [...ids.subarray(row * length, (row + 1) * length)],
        position,
        blocks: blocks.slice(0, Math.ceil((position + length) / BLOCK_SIZE)),
        length: position + length,
        adapter: undefined,
      };
    });
    const hidden = this.#runner.run(chunks);
    return this.#model.head(hidden).view([batch, length, this.#model.shape.vocabSize]);
  }

  dispose(): void {
    this.#runner.dispose();
    this.#cache.dispose();
  }
}

/** Logits of all positions, fed to a cache in the given chunks. @param seen [B][T] */
export function cachedLogits(
  model: CausalLm,
  inputIds: Tensor,
  chunks: readonly number[],
  seen?: readonly (readonly boolean[])[],
): Tensor {
  const [batch = 0, capacity = 0] = inputIds.shape;
  const forward = new PagedForward(model, batch, capacity);
  const logits: Tensor[] = [];
  let start = 0;
  for (const length of chunks) {
    const marks = seen?.map((row) => row.slice(start, start + length));
    logits.push(forward.run(inputIds.narrow(1, start, length), marks));
    start += length;
  }
  forward.dispose();
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
  const generator = new RandomGenerator(1);
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

  override createContext(): ForwardContext {
    const { headDim } = this.shape;
    let start = 0;
    const tables = this.chunks.map((length) => {
      const total = Math.max(start + length, this.trainingLength);
      const base = 10000 * ntkAlpha(total, 8192) ** (headDim / (headDim - 2));
      const scale = 0.1 * Math.log(total / this.trainingLength) + 1;
      const table = rotaryTable({ start, length, headDim, base, scale, dtype: 'float64', device: 'cpu' });
      start += length;
      return table;
    });
    const rotary = { cos: cat(tables.map(({ cos }) => cos)), sin: cat(tables.map(({ sin }) => sin)) };
    return { ...super.createContext(start), rotary };
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
