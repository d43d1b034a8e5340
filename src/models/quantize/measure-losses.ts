/**
 * How much a model changes when one of its parts is rounded: for each layer, what the output of its block moves, relative to the output,
 * token by token; for the embedding its rows, for the output projection the logits.
 */
import { type RoundingRule, roundedWeight } from '../../quantization/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { CausalLm } from '../causal-lm.js';
import { type BlockWeight, ownFloats, stagesOf } from './block-weights.js';
import type { StreamedModel } from './streamed-model.js';

export interface MeasuredPart {
  /** Own path of the layer; all experts of a matrix together. */
  readonly path: string;
  readonly rules: readonly RoundingRule[];
}

/**
 * @param source disposed of @param windows of token ids, all of one length @param parts by own path
 * @returns for each path the loss of each of its rules, comparable between paths
 */
export function measureLosses(
  source: StreamedModel,
  windows: readonly (readonly number[])[],
  parts: readonly MeasuredPart[],
): Map<string, number[]> {
  const rulesOf = new Map(parts.map(({ path, rules }) => [path, rules]));
  const losses = new Map<string, number[]>();
  const { model } = source;
  noGrad(() =>
    scope(() => {
      const { contexts, hidden: embedded } = source.begin(windows);
      const [context] = contexts;
      if (context === undefined) throw new RangeError('there is no window to measure on');
      let hidden = embedded;
      source.load('embedding');
      const table = embeddingRows(model, windows);
      source.release('embedding');
      losses.set(
        'embedTokens',
        (rulesOf.get('embedTokens') ?? []).map((rule) => relativeChange(roundedWeight(table, rule), table)),
      );
      for (let index = 0; index < model.layers.length; index++) {
        const before = hidden;
        const block = source.loadBlock(index);
        ownFloats(block);
        const run = (each: Tensor): Tensor => block.forward(each, context, index);
        hidden = before.map((each) => scope(() => run(each)));
        for (const [path, weights] of byPath(stagesOf(block).flatMap((stage) => stage.weights))) {
          const rules = rulesOf.get(`layers.${index}.${path}`) ?? [];
          losses.set(
            `layers.${index}.${path}`,
            rules.map((rule) => scope(() => lossOf(weights, rule, before, hidden, run))),
          );
        }
        for (const each of before) each.dispose();
        source.release(index);
      }
      source.load('head');
      measureHead(model, hidden, rulesOf, losses);
    }),
  );
  source.dispose();
  return losses;
}

function byPath(weights: readonly BlockWeight[]): Map<string, BlockWeight[]> {
  const found = new Map<string, BlockWeight[]>();
  for (const weight of weights) found.set(weight.path, [...(found.get(weight.path) ?? []), weight]);
  return found;
}

function lossOf(
  weights: readonly BlockWeight[],
  rule: RoundingRule,
  before: readonly Tensor[],
  exact: readonly Tensor[],
  run: (hidden: Tensor) => Tensor,
): number {
  const kept = weights.map((weight) => weight.read().clone());
  for (const weight of weights) weight.write(roundedWeight(weight.read(), rule));
  const change = before.reduce(
    (sum, each, place) => sum + scope(() => relativeChange(run(each), exact[place] ?? each)),
    0,
  );
  for (const [place, weight] of weights.entries()) weight.write(kept[place] ?? weight.read());
  return change / before.length;
}

/** Mean over the tokens of |a - b|^2 / |b|^2. @param a [..., D] @param b [..., D] */
function relativeChange(a: Tensor, b: Tensor): number {
  const difference = a.sub(b);
  const square = b.mul(b).sum([-1]).add(1e-12);
  return difference.mul(difference).sum([-1]).div(square).mean().item();
}

/** Rows of the table that the text reads. */
function embeddingRows(model: CausalLm, windows: readonly (readonly number[])[]): Tensor {
  const table = new Map(model.namedParameters()).get('embedTokens.weight');
  if (table === undefined) throw new TypeError('the model has no embedding');
  const ids = windows.flat();
  return table.indexSelect(0, intTensor([...ids], [ids.length])).to('float32');
}

/** The projection, or the table in its place; relative to what the logits differ from each other. */
function measureHead(
  model: CausalLm,
  hidden: readonly Tensor[],
  rulesOf: ReadonlyMap<string, readonly RoundingRule[]>,
  losses: Map<string, number[]>,
): void {
  const parameters = new Map(model.namedParameters());
  const path = parameters.has('lmHead.weight') ? 'lmHead' : 'embedTokens';
  const weight = parameters.get(`${path}.weight`);
  const [first] = hidden;
  if (weight === undefined || first === undefined) return;
  const normed = model.finalNorm.forward(first); // [1, T, D]
  const logits = (table: Tensor): Tensor => {
    const all = normed.matmul(table.to('float32').transpose(0, 1)); // [1, T, V]
    return all.sub(all.mean([-1], true));
  };
  const exact = logits(weight);
  const own = (rulesOf.get(path) ?? []).map((rule) =>
    scope(() => relativeChange(logits(roundedWeight(weight, rule)), exact)),
  );
  const known = losses.get(path);
  losses.set(
    path,
    own.map((loss, level) => loss + (path === 'embedTokens' ? (known?.[level] ?? 0) : 0)),
  );
}
