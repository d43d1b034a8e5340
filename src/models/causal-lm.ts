/**
 * What every model family is to training and generation: an embedding, blocks, a head. Nothing here knows a family;
 * nothing outside a family's folder knows more than this.
 *
 * Shapes: B batch, T new tokens, S tokens to attend to, D hidden, H heads, K heads of keys and values,
 * E head_dim, V vocabulary.
 */
import {
  type AttentionMask,
  applyRotary,
  attention,
  documentMask,
  fusesAttention,
  type LayerNorm,
  Module,
  namedLinears,
  type PagedLayer,
  type RmsNorm,
  type Rotary,
  type Routing,
  rotaryTable,
  weightedCrossEntropySum,
} from '../nn/index.js';
import { cat, type FloatDType, isFloatDType, scope, stack, type Tensor } from '../tensor/index.js';
import type { ModelShape } from './model-shape.js';

/** What the blocks of one forward pass share: whole rows on their own, or new tokens behind those of a cache. */
export interface ForwardContext {
  /** Rotation of the new queries, and of the new keys unless the family caches them unrotated. */
  readonly rotary: Rotary; // [T, E], or [B, 1, T, E] where it differs by row
  /**
   * softmax(q k^T / sqrt(E)) v over all keys that each query may see, those of earlier passes among them.
   * @param q [B, H, T, E] @param k [B, K, T, E] @param v [B, K, T, E] @returns [B, H, T, E]
   */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor): Tensor;
  /** Told by each mixture of experts how it routed the tokens, row after row. Default: nobody wants to know. */
  readonly observeRouting?: ((routing: Routing) => void) | undefined;
  /**
   * The pages that `attend` works on, for blocks that do more than attend in one call; undefined where there are none, or
   * keys are not rotated by the block.
   */
  readonly pagedLayer?: ((layer: number) => PagedLayer) | undefined;
}

/** How positions rotate queries and keys (see `rotaryTable`). */
export interface RotaryParameters {
  readonly base: number;
  /** Each frequency is divided by its own, the same at every length. Default: none is. */
  readonly divisors?: readonly number[] | undefined; // [E/2]
  /** Factor on cos and sin. Default 1. */
  readonly scale?: number;
}

/** Own paths, within a block, of its linear layers by what they do. */
export interface BlockLinears {
  /** To queries, keys and values, fused or not; the last of them holds the values. */
  readonly attentionIn: readonly string[];
  readonly attentionOut: string;
  /** Gate and up, in one matrix or two. */
  readonly mlpIn: readonly string[];
  /** undefined: a mixture of experts stands in the place of the MLP, and `mlpIn` is empty. */
  readonly mlpOut: string | undefined;
  /** Do the rows of keys and of values alternate in the last of `attentionIn`, head by head? Default: values are its last rows. */
  readonly alternatesKeysAndValues?: boolean;
}

/** hidden += attention(inputNorm(hidden)); hidden += mlp(postAttentionNorm(hidden)). */
export interface Block extends Module {
  readonly linears: BlockLinears;
  readonly inputNorm: LayerNorm | RmsNorm;
  readonly attention: BlockAttention;
  readonly postAttentionNorm: LayerNorm | RmsNorm;
  readonly mlp: BlockMlp;
  /** @param hidden [B, T, D] @param layer index of this block, its place in the cache */
  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor; // [B, T, D]
}

export interface BlockAttention extends Module {
  /** @param x [B, T, D] @param layer index of the block */
  forward(x: Tensor, context: ForwardContext, layer: number): Tensor; // [B, T, D]
}

export interface BlockMlp extends Module {
  /** @param x [B, T, D] */
  forward(x: Tensor): Tensor; // [B, T, D]
}

export interface ForwardOptions {
  /** 1 where a token is real, 0 where it is padding. */
  readonly attentionMask?: Tensor | undefined; // [B, T]
  /** Lengths of the documents in each row, where each is to be read on its own. */
  readonly documents?: readonly (readonly number[])[] | undefined;
  /** Give logits for the last K tokens only. */
  readonly lastPositions?: number | undefined;
}

/** Children that the two ends of a model compute with; a tied table is in both. */
export interface ModelEnds {
  readonly embedding: readonly string[];
  readonly head: readonly string[];
}

/** A part of a model that is computed at one go: the embedding, a block, the head. */
export interface ModelSegment {
  /** embedding, layers.{i} or head. */
  readonly name: string;
  /** Own paths of the parameters that it computes with, in the order of the model. */
  readonly parameters: readonly string[];
  /** @param input ids int64 [B, T] for the embedding, else hidden [B, T, D] @returns logits [B, T, V] of the head, else hidden */
  forward(input: Tensor, context: ForwardContext): Tensor;
}

/** What happens at the ends of a model that several processes compute together. */
export interface ModelEdges {
  /** @param hidden what the embedding gives @returns what the first block reads */
  afterEmbedding(hidden: Tensor): Tensor;
  /** @param hidden what the last block gives @returns what the head reads */
  beforeHead(hidden: Tensor): Tensor;
  /** Of values for all tokens [B, T, D] those that stand between the blocks of this process. */
  ownPart(whole: Tensor): Tensor;
  /** Rows of `tokens` tokens are computed from here on. */
  begin(tokens: number): void;
  /** Tokens of a row that stand between the blocks of this process, of `tokens` in all. */
  tokensBetween(tokens: number): number;
  /** undefined: every process reads all tokens. */
  readonly tokens?: SharedRowTokens | undefined;
  /** @param output of the head, of this process @returns that of all of them, on the first process; elsewhere something */
  afterHead(output: Tensor): Tensor;
}

/** Tokens of each row that several processes have a part of each, from the first segment to the last. */
export interface SharedRowTokens {
  /** What this process has of values for all tokens [B, T], filled up with 0 to as many as the others have. */
  own(values: Tensor): Tensor; // [B, t]
  /** Over all processes, of values outside of any graph; they are overwritten. */
  sum(values: Tensor): Tensor;
  /** What the blocks of this process share, whose queries and keys are those of its own tokens. @param whole of the whole rows */
  shareContext(whole: ForwardContext): ForwardContext;
  /** What the loss reads of what the head gives for the own tokens. */
  afterHead(output: Tensor): Tensor;
}

/** The processes that follow the first one of a model that several of them compute together. */
export interface ModelPeers {
  /** Tells all of them what comes next; they do it as this process does. */
  tell(words: Int32Array): void;
  /** @returns what each of the processes, this one first, says of its part of a task; empty texts: it is done */
  gatherFaults(own: string): string[];
}

/** Sum over the targets of weight * -log p(target). @param logits [..., V] @param targets int64 [...] @param weights [...] */
export type CrossEntropySum = (logits: Tensor, targets: Tensor, weights: Tensor) => Tensor; // []

export abstract class CausalLm extends Module {
  readonly shape: ModelShape;
  /** undefined: this process has the whole model. */
  edges: ModelEdges | undefined = undefined;
  /** Of what the head gives: logits of all ids, or of those that this process has. */
  crossEntropySum: CrossEntropySum = weightedCrossEntropySum;
  /** For each layer the tokens that a query sees at most, itself included; undefined: all. Empty: no layer has a window. */
  readonly slidingWindows: readonly (number | undefined)[] = [];
  /** Factor of the load-balancing loss of its experts, which is added to that of training. Default: it has none. */
  readonly balanceLossFactor: number | undefined = undefined;
  /** A token that is masked in generation, wherever it stands; undefined: none. */
  readonly maskedTokenId: number | undefined = undefined;
  /** True where `attend` is given keys that it has to rotate itself, because the base changes for all keys at once. */
  readonly cachesUnrotatedKeys: boolean = false;
  /**
   * True where the length that a rotation follows is that of each text, without its padding. False: that of the whole row,
   * padding and all, or of the longest document in it.
   */
  readonly rotatesTextsApart: boolean = false;
  abstract readonly layers: readonly Block[];
  abstract readonly ends: ModelEnds;
  /** What the head begins with. */
  abstract readonly finalNorm: LayerNorm | RmsNorm;

  /** Heads of keys and values that this process computes. */
  ownKvHeads: number;
  /** Processes that have the other parts of the model, and must be told what is computed; undefined: nobody. */
  peers: ModelPeers | undefined = undefined;

  constructor(shape: ModelShape) {
    super();
    this.shape = shape;
    this.ownKvHeads = shape.numKvHeads;
  }

  /** @param inputIds int64 [B, T] */
  abstract embed(inputIds: Tensor): Tensor; // [B, T, D]

  /** The final norm and the output projection. @param hidden [B, T, D] */
  abstract head(hidden: Tensor): Tensor; // [B, T, V]

  /** The rotation that a text has when its length, all tokens known so far, is `length`. */
  abstract rotaryParameters(length: number): RotaryParameters;

  /** The dtype that the blocks compute in: that of their matrices (norms may be wider); of integers alone, that of the norms. */
  get computeDType(): FloatDType {
    for (const layer of this.layers)
      for (const [, { weight }] of namedLinears(layer)) if (isFloatDType(weight.dtype)) return weight.dtype;
    const { dtype } = this.finalNorm.weight;
    if (isFloatDType(dtype)) return dtype;
    throw new TypeError('a model without floats has no compute dtype');
  }

  get device(): string {
    for (const { parameter } of this.walkParameters()) return parameter.device;
    throw new TypeError('a model without parameters has no device');
  }

  /** The tokens at the end of a text that some layer still looks at; undefined: all. */
  get longestWindow(): number | undefined {
    const windows = this.layers.map((_, layer) => this.slidingWindows[layer] ?? Number.POSITIVE_INFINITY);
    const longest = Math.max(...windows);
    return Number.isFinite(longest) ? longest : undefined;
  }

  /**
   * The row of segments, in the order in which they are computed.
   * @throws TypeError if a parameter belongs to none of them
   */
  segments(): ModelSegment[] {
    const paths = this.namedParameters().map(([path]) => path);
    const within = (parts: readonly string[]): string[] =>
      paths.filter((path) => parts.some((part) => path.startsWith(`${part}.`)));
    const segments: ModelSegment[] = [
      { name: 'embedding', parameters: within(this.ends.embedding), forward: (ids) => this.#embedded(ids) },
      ...this.layers.map((layer, index) => ({
        name: `layers.${index}`,
        parameters: within([`layers.${index}`]),
        forward: (hidden: Tensor, context: ForwardContext) => layer.forward(hidden, context, index),
      })),
      {
        name: 'head',
        parameters: within(this.ends.head),
        forward: (hidden) => {
          const output = this.head(this.edges?.beforeHead(hidden) ?? hidden);
          return this.edges?.tokens?.afterHead(output) ?? output;
        },
      },
    ];
    const covered = new Set(segments.flatMap(({ parameters }) => parameters));
    const stray = paths.find((path) => !covered.has(path));
    if (stray !== undefined) throw new TypeError(`${stray} belongs to no segment of the model`);
    return segments;
  }

  #embedded(inputIds: Tensor): Tensor {
    const hidden = this.embed(this.edges?.tokens?.own(inputIds) ?? inputIds);
    return this.edges?.afterEmbedding(hidden) ?? hidden;
  }

  /** For `length` tokens of whole rows. */
  createContext(length: number, { attentionMask, documents }: ForwardOptions = {}): ForwardContext {
    const { device } = this;
    const rotary = this.#rotary(length, { attentionMask, documents });
    const keyValid = attentionMask?.ne(0);
    const isFused = keyValid === undefined && fusesAttention(device, this.computeDType);
    const maskOf = (window: number | undefined): AttentionMask => ({
      window,
      keyValid,
      documents: documents === undefined ? undefined : documentMask(documents, window, device, isFused),
    });
    const windows = this.layers.map((_, layer) => this.slidingWindows[layer]);
    const masks = new Map([...new Set(windows)].map((window) => [window, maskOf(window)]));
    const turn = (k: Tensor): Tensor => (this.cachesUnrotatedKeys ? applyRotary(k, rotary) : k);
    return {
      rotary,
      attend: (layer, q, k, v) => {
        const mask = masks.get(windows[layer]);
        if (mask === undefined) throw new RangeError(`the model has no layer ${layer}`);
        return attention(q, turn(k), v, mask);
      },
    };
  }

  /** Rotations are relative: positions may count on through the documents of a row, and through padding. */
  #rotary(length: number, { attentionMask, documents }: ForwardOptions): Rotary {
    const longest = documents === undefined ? length : Math.max(...documents.flat());
    const table = (textLength: number, start: number, count: number): Rotary =>
      rotaryTable({
        start,
        length: count,
        headDim: this.shape.headDim,
        ...this.rotaryParameters(textLength),
        dtype: this.computeDType,
        device: this.device,
      });
    const { base } = this.rotaryParameters(longest);
    const isConstant = !this.rotatesTextsApart || this.rotaryParameters(1).base === base;
    if (isConstant || (attentionMask === undefined && documents === undefined))
      return table(longest, 0, length);
    const rows =
      documents ??
      attentionMask
        ?.to('int64')
        .sum([1])
        .toArray()
        .map((realTokens) => [realTokens]) ??
      [];
    const tables = rows.map((texts) => {
      let start = 0;
      const parts = texts.map((textLength) => {
        const count = documents === undefined ? length : textLength;
        const part = table(textLength, start, count);
        start += count;
        return part;
      });
      return { cos: cat(parts.map(({ cos }) => cos)), sin: cat(parts.map(({ sin }) => sin)) }; // [T, E]
    });
    return {
      cos: stack(tables.map(({ cos }) => cos)).unsqueeze(1), // [B, 1, T, E]
      sin: stack(tables.map(({ sin }) => sin)).unsqueeze(1),
    };
  }

  /** What goes into the head. @param inputIds int64 [B, T] */
  hiddenStates(inputIds: Tensor, context: ForwardContext): Tensor {
    let hidden = this.#embedded(inputIds);
    // A scope each: what a block has made is freed while the next one can use its memory again.
    for (const [index, layer] of this.layers.entries())
      hidden = scope(() => layer.forward(hidden, context, index));
    return hidden; // [B, T, D]
  }

  /** Whole rows. @param inputIds int64 [B, T] @returns logits [B, T, V], or [B, lastPositions, V] */
  forward(inputIds: Tensor, options: ForwardOptions = {}): Tensor {
    const length = inputIds.size(1);
    const hidden = this.hiddenStates(inputIds, this.createContext(length, options));
    const last = Math.min(options.lastPositions ?? length, length);
    return this.logits(hidden.narrow(1, length - last, last));
  }

  /** The head, of a model that several processes compute together too. @param hidden [B, T, D] @returns [B, T, V] */
  logits(hidden: Tensor): Tensor {
    const { edges } = this;
    if (edges === undefined) return this.head(hidden);
    return edges.afterHead(this.head(edges.beforeHead(hidden)));
  }
}
