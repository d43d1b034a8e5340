/** A model that reads a part of the tokens of each row, while other ranks read the rest. Its modules know nothing of it. */
import type { ContextGroup } from '../../distributed/index.js';
import { loraLayers } from '../../lora/index.js';
import {
  type CausalLm,
  type CrossEntropySum,
  type ForwardContext,
  type ModelEdges,
  SCORE,
} from '../../models/index.js';
import type { Tensor } from '../../tensor/index.js';

/** Tokens are cut first: a tensor-parallel group shares those that are left of each row. */
export class ContextSplit {
  readonly #model: CausalLm;
  readonly #group: ContextGroup;
  readonly #givesScore: boolean;
  #before: { readonly edges: ModelEdges | undefined; readonly crossEntropySum: CrossEntropySum } | undefined;

  constructor(model: CausalLm, group: ContextGroup) {
    this.#model = model;
    this.#group = group;
    this.#givesScore = model.namedParameters().some(([path]) => path.startsWith(`${SCORE}.`));
    this.apply();
  }

  apply(): void {
    if (this.#before !== undefined) return;
    const model = this.#model;
    const group = this.#group;
    const { edges, crossEntropySum } = model;
    this.#before = { edges, crossEntropySum };
    model.edges = this.#around(edges);
    model.crossEntropySum = (logits, targets, weights) =>
      group.sum(crossEntropySum(logits, group.own(targets, -1), group.own(weights, -1)));
    // Dropout draws for all tokens, so that each process draws the same.
    for (const layer of loraLayers(model).values())
      layer.tokenPart = { count: () => group.tokens, own: (whole) => group.own(whole, 1) };
  }

  /** The model is as it was before. */
  remove(): void {
    if (this.#before === undefined) return;
    this.#model.edges = this.#before.edges;
    this.#model.crossEntropySum = this.#before.crossEntropySum;
    this.#before = undefined;
    for (const layer of loraLayers(this.#model).values()) layer.tokenPart = undefined;
  }

  #around(inner: ModelEdges | undefined): ModelEdges {
    const group = this.#group;
    const givesScore = this.#givesScore;
    return {
      begin(tokens) {
        group.begin(tokens);
        inner?.begin(group.ownTokens(tokens));
      },
      afterEmbedding: (hidden) => inner?.afterEmbedding(hidden) ?? hidden,
      beforeHead: (hidden) => inner?.beforeHead(hidden) ?? hidden,
      ownPart(whole) {
        const own = group.own(whole, 1);
        return inner?.ownPart(own) ?? own;
      },
      tokensBetween(tokens) {
        const own = group.ownTokens(tokens);
        return inner?.tokensBetween(own) ?? own;
      },
      afterHead: (output) => inner?.afterHead(output) ?? output,
      tokens: {
        own: (values) => group.own(values, 1),
        sum: (values) => group.sumInPlace(values),
        shareContext: (whole) => sharedContext(whole, group),
        // Scores are compared over all tokens of a row; logits are learned token by token.
        afterHead: (output) => (givesScore ? group.whole(output) : output),
      },
    };
  }
}

function sharedContext(whole: ForwardContext, group: ContextGroup): ForwardContext {
  const { cos, sin } = whole.rotary;
  const own = (table: Tensor): Tensor => group.own(table, -2);
  return {
    ...whole,
    rotary: { cos: own(cos), sin: own(sin) },
    attend(layer, q, k, v) {
      const heads = q.size(1);
      const mixed = whole.attend(
        layer,
        group.toHeads(q),
        group.keysToHeads(k, heads),
        group.keysToHeads(v, heads),
      );
      return group.toTokens(mixed);
    },
  };
}
