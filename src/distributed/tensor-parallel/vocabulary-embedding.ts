/**
 * An embedding of whose rows, the vocabulary, each process has some: tokens of others are zeros, so that the sum over all processes is
 * the embedding; as an output projection it gives the logits of its rows.
 */
import { type Embedding, Module } from '../../nn/index.js';
import { operator, type Tensor } from '../../tensor/index.js';

const embedding = operator('aten::embedding');
const logicalAnd = operator('aten::logical_and');
const clamp = operator('aten::clamp');
const atLeast = operator('aten::ge.Scalar');
const below = operator('aten::lt.Scalar');

/** ATen's word for none. */
const NO_PADDING = -1;

export class VocabularyEmbedding extends Module implements Embedding {
  /** May be changed for another that wraps it. */
  base: Embedding;
  readonly #plain: Embedding;
  readonly #start: number;

  /** @param base whose weight is [v, D] @param start the id of its first row */
  constructor(base: Embedding, start: number) {
    super();
    this.base = base;
    this.#plain = base;
    this.#start = start;
  }

  get weight(): Tensor {
    return this.base.weight;
  }

  get paddingId(): number | undefined {
    return this.base.paddingId;
  }

  /** @param inputIds [B, T] @returns [B, T, D], zeros where another process has the row */
  forward(inputIds: Tensor): Tensor {
    const rows = this.weight.size(0);
    const own = inputIds.sub(this.#start);
    const isOwn = logicalAnd(atLeast(own, 0), below(own, rows));
    return this.#find(clamp(own, 0, rows - 1)).maskedFill(isOwn.logicalNot().unsqueeze(-1), 0);
  }

  /** @param places of the own rows */
  #find(places: Tensor): Tensor {
    // Rows of adapters beside it are no parameters: no padding holds their gradient up.
    if (this.base !== this.#plain) return this.base.forward(places);
    const padding = (this.paddingId ?? NO_PADDING) - this.#start;
    const isOwn = padding >= 0 && padding < this.weight.size(0);
    return embedding(this.weight, places, isOwn ? padding : NO_PADDING);
  }

  /** @param hidden [B, T, D] @returns logits of the own rows [B, T, v] */
  project(hidden: Tensor): Tensor {
    return this.base.project(hidden);
  }

  override *namedModules(prefix = ''): ReturnType<Module['namedModules']> {
    yield [prefix, this];
    yield* this.base.namedModules(prefix);
  }

  protected override ownerOf(key: string): Module {
    return Object.hasOwn(this, key) ? this : this.base;
  }
}
