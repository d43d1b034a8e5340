/**
 * What every family is to the trainer and to generation: an embedding, a row of blocks, a head. Nothing here knows
 * a family; nothing outside a family's folder knows more than this.
 *
 * Shapes: B batch, T new tokens, S tokens to attend to, D hidden, E head_dim, V vocabulary.
 */
import {
  type AttentionMask,
  documentMask,
  GrowingKvCache,
  type KvCache,
  Linear,
  Module,
  type Rotary,
} from '../nn/index.js';
import { type FloatDType, intTensor, isFloatDType, type Tensor } from '../tensor/index.js';

/** What the blocks of one forward pass share. */
export interface ForwardContext {
  /** Rotation of the new queries and keys. */
  readonly rotary: Rotary; // [T, E]
  /** Rotation of all keys, for families that cache them unrotated. */
  readonly keyRotary: Rotary | undefined; // [S, E]
  readonly mask: AttentionMask;
  readonly cache: KvCache | undefined;
}

export interface Block extends Module {
  /** @param hidden [B, T, D] @param layer index of this block, its place in the cache */
  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor; // [B, T, D]
}

export interface ForwardOptions {
  /** 1 where a token is real, 0 where it is padding; over the cached and the new tokens. */
  readonly attentionMask?: Tensor | undefined; // [B, past + T]
  readonly cache?: KvCache | undefined;
  /** Lengths of the documents in each row, where each is to be read on its own. */
  readonly documents?: readonly (readonly number[])[] | undefined;
  /** Give logits for the last K tokens only. */
  readonly lastPositions?: number | undefined;
}

export abstract class CausalLm extends Module {
  abstract readonly vocabSize: number;
  /** The longest sequence that the model was made for; undefined where positions have no bound. */
  abstract readonly maxPositions: number | undefined;
  /** Tokens that a query sees at most, itself included; undefined: all. */
  readonly window: number | undefined = undefined;
  /** A token that no other looks at in generation, wherever it stands; undefined: every token is seen. */
  readonly unseenTokenId: number | undefined = undefined;
  abstract readonly layers: readonly Block[];

  /** @param inputIds int64 [B, T] */
  abstract embed(inputIds: Tensor): Tensor; // [B, T, D]

  /** The final norm and the output projection. @param hidden [B, T, D] */
  abstract head(hidden: Tensor): Tensor; // [B, T, V]

  /**
   * Rotations for `length` positions from `start` on, when `total` tokens are known, the longest text among them having
   * `longest`: bases that grow with the length go by it.
   */
  protected abstract rotations(
    start: number,
    length: number,
    total: number,
    longest: number,
  ): Pick<ForwardContext, 'rotary' | 'keyRotary'>;

  /** The dtype that the blocks compute in: that of their matrices (norms may be wider). */
  get computeDType(): FloatDType {
    for (const layer of this.layers)
      for (const [, module] of layer.namedModules())
        if (module instanceof Linear && isFloatDType(module.weight.dtype)) return module.weight.dtype;
    throw new TypeError('a model without a linear layer has no compute dtype');
  }

  get device(): string {
    const first = this.namedParameters()[0];
    if (first === undefined) throw new TypeError('a model without parameters has no device');
    return first[1].device;
  }

  /** An empty cache for generation. */
  createCache(): KvCache {
    return new GrowingKvCache();
  }

  /** Rotations and mask for `length` new tokens behind those in the cache. */
  createContext(length: number, { attentionMask, cache, documents }: ForwardOptions = {}): ForwardContext {
    const start = cache?.length ?? 0;
    const keyPositions = cache?.positions(length) ?? Array.from({ length }, (_, index) => index);
    // Rotations are relative: positions may count on through the documents of a row.
    const longest = documents === undefined ? start + length : Math.max(...documents.flat());
    const keyValid =
      attentionMask === undefined
        ? undefined
        : attentionMask
            .indexSelect(1, intTensor(keyPositions, undefined, { device: attentionMask.device }))
            .ne(0);
    return {
      ...this.rotations(start, length, start + length, longest),
      mask: {
        queryStart: start,
        keyPositions,
        window: this.window,
        keyValid,
        documents: documents === undefined ? undefined : documentMask(documents, this.window, this.device),
      },
      cache,
    };
  }

  /** @param inputIds int64 [B, T] @returns logits [B, T, V], or [B, lastPositions, V] */
  forward(inputIds: Tensor, options: ForwardOptions = {}): Tensor {
    const length = inputIds.size(1);
    const context = this.createContext(length, options);
    let hidden = this.embed(inputIds);
    for (const [index, layer] of this.layers.entries()) hidden = layer.forward(hidden, context, index);
    options.cache?.advance(length);
    const last = Math.min(options.lastPositions ?? length, length);
    return this.head(hidden.narrow(1, length - last, last));
  }
}
