/**
 * Activation-aware scaling of one block: what goes into its matrices is made smaller where it weighs much, the matrices larger, and the
 * norm or the matrix before takes the difference, so that the block computes what it did (AutoAWQ's sets of layers).
 *
 * Shapes: B batch, T tokens, D hidden, O outputs, I inputs, N rows.
 */
import { MixtureOfExperts, Router } from '../../nn/index.js';
import {
  activationScales,
  clipWeights,
  type RoundingRule,
  relativeMagnitude,
  roundedWeight,
  SCALE_EXPONENTS,
} from '../../quantization/index.js';
import { cat, type FloatDType, noGrad, scope, type Tensor, where } from '../../tensor/index.js';
import type { Block, ForwardContext } from '../causal-lm.js';
import { InputSums, someRows } from './block-inputs.js';
import { type BlockWeight, moduleAt, stagesOf, type WeightStage } from './block-weights.js';

/** What goes into the stages of the full block: rows [N, I] of each window, or sums for each expert. */
export interface StageInputs {
  readonly rows: ReadonlyMap<string, readonly Tensor[]>;
  readonly experts: ReadonlyMap<string, readonly InputSums[]>;
}

export interface ScaleRule {
  readonly rounding: RoundingRule;
  /**
   * What must change least: the output of attention or MLP as a whole, as AutoAWQ has it, or that of each matrix (much less to
   * compute).
   */
  readonly judge: 'module' | 'matrix';
  /** Are large weights cut off, too, where outputs are nearer then? */
  readonly clips: boolean;
}

export interface ScaledBlock {
  readonly block: Block;
  readonly context: ForwardContext;
  readonly index: number;
  readonly inputs: StageInputs;
  /** Is this matrix to be integers? Sets with one that is not stay as they are. */
  isQuantized(weight: BlockWeight): boolean;
  /** Of a parameter as the file will keep it, by own path within the block. */
  storedDType(path: string): FloatDType;
}

/** Matrices that read one input, and what can be divided instead. */
interface ScaledSet {
  readonly weights: readonly BlockWeight[];
  /** [I] */
  readonly magnitude: Tensor;
  /** How far the outputs move with these weights in the place of `weights`. */
  loss(changed: readonly Tensor[]): number;
  /** @param scales [I], positive @returns those that could be kept to the bit */
  divide(scales: Tensor): Tensor;
  /** Rows that the matrices read, to be divided likewise. */
  readonly rows: readonly Tensor[];
  /** What is told of those rows in sums. */
  readonly sums: InputSums | undefined;
}

/** Rows by which clipping is judged. */
const CLIP_ROWS = 512;

export interface BlockScaling {
  /** Own paths within the block of the parameters that stay floats and are others now. */
  readonly changed: readonly string[];
  /** Exponent of the magnitude that was taken for each set, in the order of the block. */
  readonly exponents: readonly number[];
}

export function scaleBlock(scaled: ScaledBlock, rule: ScaleRule): BlockScaling {
  return noGrad(() =>
    scope(() => {
      const changed: string[] = [];
      const sets = setsOf(scaled, rule, changed);
      // All are searched in the block as it was.
      const found = sets.map((set) => searchScales(set, rule));
      for (const [index, set] of sets.entries()) {
        const wanted = found[index];
        if (wanted === undefined) continue;
        const scales = set.divide(wanted.scales);
        for (const weight of set.weights) weight.write(weight.read().mul(scales));
        for (const rows of set.rows) rows.copy_(rows.div(scales));
        rescale(set.sums, scales);
      }
      if (rule.clips) clipBlock(scaled, rule);
      return { changed, exponents: found.map(({ exponent }) => exponent) };
    }),
  );
}

function searchScales(
  { weights, magnitude, loss }: ScaledSet,
  { rounding }: ScaleRule,
): { scales: Tensor; exponent: number } {
  const whole = cat(weights.map((weight) => weight.read()));
  const relative = relativeMagnitude(whole, rounding.groupSize);
  let best: { scales: Tensor; exponent: number } | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const exponent of SCALE_EXPONENTS) {
    const scales = activationScales(magnitude, relative, exponent);
    const error = scope(() =>
      loss(weights.map((weight) => roundedWeight(weight.read().mul(scales), rounding).div(scales))),
    );
    if (!(error < least) && best !== undefined) continue;
    least = error;
    best = { scales, exponent };
  }
  if (best === undefined) throw new RangeError('no exponent is tried');
  return best;
}

function setsOf(scaled: ScaledBlock, rule: ScaleRule, changed: string[]): ScaledSet[] {
  const { block, inputs, isQuantized } = scaled;
  const { attentionIn, attentionOut, mlpOut, alternatesKeysAndValues } = block.linears;
  const sets: (ScaledSet | undefined)[] = [];
  for (const stage of stagesOf(block)) {
    if (!stage.weights.every(isQuantized)) continue;
    const [first] = stage.weights;
    if (first === undefined) continue;
    if (first.expert !== undefined) {
      sets.push(...expertSets(scaled, stage, rule, changed));
      continue;
    }
    const rows = inputs.rows.get(stage.watched) ?? [];
    if (rows.length === 0) continue;
    if (first.path === attentionOut) {
      const values = lastOf(scaled, attentionIn);
      // With grouped heads a row of values is read by several inputs.
      const own =
        values === undefined
          ? 0
          : attentionIn.length === 1
            ? values.read().size(0) / 3
            : values.read().size(0);
      if (own === first.read().size(1) && alternatesKeysAndValues !== true)
        sets.push(behindMatrix(values, first, rows, undefined, changed));
    } else if (first.path === mlpOut) {
      sets.push(behindMatrix(lastOf(scaled, block.linears.mlpIn), first, rows, undefined, changed));
    } else {
      const isAttention = attentionIn.includes(first.path);
      sets.push(behindNorm(scaled, stage, rows, { isAttention, rule, changed }));
    }
  }
  return sets.filter((set) => set !== undefined);
}

function lastOf({ block, isQuantized }: ScaledBlock, paths: readonly string[]): BlockWeight | undefined {
  const path = paths.at(-1);
  return stagesOf(block)
    .flatMap(({ weights }) => weights)
    .find((weight) => weight.path === path && isQuantized(weight));
}

interface NormOptions {
  readonly isAttention: boolean;
  readonly rule: ScaleRule;
  readonly changed: string[];
}

function behindNorm(
  scaled: ScaledBlock,
  stage: WeightStage,
  rows: readonly Tensor[],
  { isAttention, rule, changed }: NormOptions,
): ScaledSet {
  const { block } = scaled;
  const path = isAttention ? 'inputNorm' : 'postAttentionNorm';
  const sums = sumsOf(rows);
  return {
    ...{ weights: stage.weights, rows, sums: undefined, magnitude: meanMagnitude(sums) },
    loss:
      rule.judge === 'matrix'
        ? matrixLoss(stage.weights, sums)
        : moduleLoss(scaled, stage.weights, rows, isAttention),
    divide: (scales) => divideNorm(scaled, path, scales, changed, isAttention ? undefined : block.mlp),
  };
}

/** Gate and up of all experts behind the norm, with the router; down behind up, expert by expert. */
function expertSets(
  scaled: ScaledBlock,
  stage: WeightStage,
  rule: ScaleRule,
  changed: string[],
): ScaledSet[] {
  const { block, inputs } = scaled;
  const [first] = stage.weights;
  if (first?.path.endsWith('downProj') !== true) {
    const rows = inputs.rows.get('mlp.router') ?? [];
    return rows.length === 0 ? [] : [behindNorm(scaled, stage, rows, { isAttention: false, rule, changed })];
  }
  const ups = stagesOf(block)
    .flatMap(({ weights }) => weights)
    .filter(({ path }) => path.endsWith('experts.upProj'));
  const sums = inputs.experts.get(stage.watched) ?? [];
  return stage.weights.flatMap((weight, expert) => {
    const own = sums[expert];
    return own === undefined || own.rows === 0
      ? []
      : [behindMatrix(ups[expert], weight, [], own, changed)].filter((set) => set !== undefined);
  });
}

/** A matrix whose inputs are the last outputs of another, each times something that does not change. */
function behindMatrix(
  before: BlockWeight | undefined,
  weight: BlockWeight,
  rows: readonly Tensor[],
  known: InputSums | undefined,
  changed: string[],
): ScaledSet | undefined {
  if (before === undefined) return undefined;
  const sums = known ?? sumsOf(rows);
  return {
    ...{ weights: [weight], rows, sums: known, magnitude: meanMagnitude(sums) },
    loss: matrixLoss([weight], sums),
    divide(scales) {
      const whole = before.read().clone();
      const count = scales.size(0);
      const first = whole.size(0) - count;
      const own = whole.narrow(0, first, count);
      own.copy_(own.div(scales.unsqueeze(-1)));
      before.write(whole);
      if (before.bias !== undefined) {
        const bias = before.bias.narrow(0, first, count);
        bias.copy_(bias.div(scales));
        changed.push(`${before.path}.bias`);
      }
      return scales;
    },
  };
}

function sumsOf(rows: readonly Tensor[]): InputSums {
  const sums = new InputSums();
  for (const each of rows) sums.add(each);
  return sums;
}

function meanMagnitude({ magnitude, rows }: InputSums): Tensor {
  if (magnitude === undefined) throw new RangeError('no input was seen');
  return magnitude.div(rows);
}

function rescale(sums: InputSums | undefined, scales: Tensor): void {
  if (sums?.gram === undefined) return;
  sums.gram.copy_(sums.gram.div(scales).div(scales.unsqueeze(-1)));
  sums.magnitude?.copy_(sums.magnitude.div(scales));
}

/** Squared change of the outputs of the matrices, summed. */
function matrixLoss(weights: readonly BlockWeight[], { gram }: InputSums): ScaledSet['loss'] {
  return (changed) =>
    weights.reduce((sum, weight, index) => {
      const other = changed[index];
      if (other === undefined || gram === undefined) return sum;
      const error = other.sub(weight.read());
      return sum + error.matmul(gram).mul(error).sum().item();
    }, 0);
}

/** Squared change of what attention or MLP gives. @param rows [N, D] of each window */
function moduleLoss(
  { block, context, index }: ScaledBlock,
  weights: readonly BlockWeight[],
  rows: readonly Tensor[],
  isAttention: boolean,
): ScaledSet['loss'] {
  const run = (window: Tensor): Tensor => {
    const x = window.unsqueeze(0); // [1, T, D]
    return isAttention ? block.attention.forward(x, context, index) : block.mlp.forward(x);
  };
  const exact = rows.map(run);
  return (changed) => {
    const kept = weights.map((weight) => weight.read().clone());
    for (const [place, weight] of weights.entries()) weight.write(changed[place] ?? weight.read());
    const loss = rows.reduce(
      (sum, window, place) =>
        sum +
        scope(() => {
          const difference = run(window).sub(exact[place] ?? 0);
          return difference.mul(difference).sum().item();
        }),
      0,
    );
    for (const [place, weight] of weights.entries()) weight.write(kept[place] ?? weight.read());
    return loss;
  };
}

/** Norm weights are kept in few bits: the matrices take what the kept ones make of the scales. */
function divideNorm(
  { block, storedDType }: ScaledBlock,
  path: 'inputNorm' | 'postAttentionNorm',
  scales: Tensor,
  changed: string[],
  mlp: Block['mlp'] | undefined,
): Tensor {
  const norm = block[path];
  const stored = (name: string, values: Tensor): Tensor => values.to(storedDType(name)).to('float32');
  const weight = stored(`${path}.weight`, norm.weight.div(scales));
  const exact = where(weight.ne(0), norm.weight.div(weight), scales);
  norm.assign('weight', weight.clone());
  changed.push(`${path}.weight`);
  if ('bias' in norm) {
    norm.assign('bias', stored(`${path}.bias`, norm.bias.div(exact)).clone());
    changed.push(`${path}.bias`);
  }
  if (mlp instanceof MixtureOfExperts) {
    const router = moduleAt(block, 'mlp.router');
    if (!(router instanceof Router)) throw new TypeError('the experts have no router');
    router.assign('weight', stored('mlp.router.weight', router.weight.mul(exact)).clone());
    changed.push('mlp.router.weight');
  }
  return exact;
}

/** All but what makes queries and keys, whose products are sensitive. */
function clipBlock({ block, inputs, isQuantized }: ScaledBlock, { rounding }: ScaleRule): void {
  const { attentionIn } = block.linears;
  const values = attentionIn.length === 3 ? attentionIn[2] : undefined;
  for (const { watched, weights } of stagesOf(block)) {
    const rows = inputs.rows.get(watched);
    if (rows === undefined || rows.length === 0) continue;
    const some = someRows(rows, CLIP_ROWS);
    for (const weight of weights)
      if (isQuantized(weight) && (!attentionIn.includes(weight.path) || weight.path === values))
        scope(() => weight.write(clipWeights(weight.read(), some, rounding)));
  }
}
