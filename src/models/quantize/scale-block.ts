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
import { type FloatDType, noGrad, scope, type Tensor, where } from '../../tensor/index.js';
import type { Block, ForwardContext } from '../causal-lm.js';
import { InputSums, someRows } from './block-inputs.js';
import { type BlockWeight, moduleAt, stagesOf, type WeightStage } from './block-weights.js';
import type { SavedRows } from './saved-rows.js';

/** What goes into the stages of the full block: rows [N, I] of each window, or sums for each expert. */
export interface StageInputs {
  readonly rows: ReadonlyMap<string, SavedRows>;
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
  /** Sums of what the matrices read: those that are known, else made when they are asked for, and the caller's to free. */
  readonly sums: InputSums | (() => InputSums);
  /** How far the outputs move with other weights in the place of `weights`. */
  lossBy(sums: InputSums): Loss;
  /** @param scales [I], positive @returns those that could be kept to the bit */
  divide(scales: Tensor): Tensor;
  /** Rows that the matrices read, to be divided likewise. */
  readonly rows: SavedRows | undefined;
}

/** @param change what a weight becomes; called once for each */
type Loss = (change: (weight: Tensor) => Tensor) => number;

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
        set.rows?.divide(scales);
        if (typeof set.sums !== 'function') rescale(set.sums, scales);
      }
      if (rule.clips) clipBlock(scaled, rule);
      return { changed, exponents: found.map(({ exponent }) => exponent) };
    }),
  );
}

function searchScales(set: ScaledSet, { rounding }: ScaleRule): { scales: Tensor; exponent: number } {
  const { weights, sums } = set;
  const known = typeof sums === 'function' ? sums() : sums;
  const found = scope(() => {
    const magnitude = meanMagnitude(known);
    const loss = set.lossBy(known);
    const relative = relativeMagnitude(
      weights.map((weight) => weight.read()),
      rounding.groupSize,
    );
    let best: { scales: Tensor; exponent: number } | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const exponent of SCALE_EXPONENTS) {
      const scales = activationScales(magnitude, relative, exponent);
      const error = scope(() =>
        loss((weight) => scope(() => scope(() => roundedWeight(weight.mul(scales), rounding)).div(scales))),
      );
      if (!(error < least) && best !== undefined) continue;
      least = error;
      best = { scales, exponent };
    }
    return best;
  });
  if (known !== sums) known.dispose();
  if (found === undefined) throw new RangeError('no exponent is tried');
  return found;
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
    const rows = inputs.rows.get(stage.watched);
    if (rows === undefined || rows.count === 0) continue;
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
        sets.push(behindMatrix(values, first, { rows, changed }));
    } else if (first.path === mlpOut) {
      sets.push(behindMatrix(lastOf(scaled, block.linears.mlpIn), first, { rows, changed }));
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
  rows: SavedRows,
  { isAttention, rule, changed }: NormOptions,
): ScaledSet {
  const { block } = scaled;
  const path = isAttention ? 'inputNorm' : 'postAttentionNorm';
  return {
    ...{ weights: stage.weights, rows, sums: () => sumsOf(rows) },
    lossBy: (sums) =>
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
    const rows = inputs.rows.get('mlp.router');
    return rows === undefined || rows.count === 0
      ? []
      : [behindNorm(scaled, stage, rows, { isAttention: false, rule, changed })];
  }
  const ups = stagesOf(block)
    .flatMap(({ weights }) => weights)
    .filter(({ path }) => path.endsWith('experts.upProj'));
  const sums = inputs.experts.get(stage.watched) ?? [];
  return stage.weights.flatMap((weight, expert) => {
    const own = sums[expert];
    return own === undefined || own.rows === 0
      ? []
      : [behindMatrix(ups[expert], weight, { sums: own, changed })].filter((set) => set !== undefined);
  });
}

/** Rows of all windows, or what is told of those of an expert. */
type MatrixInputs = { readonly changed: string[] } & (
  | { readonly rows: SavedRows; readonly sums?: undefined }
  | { readonly rows?: undefined; readonly sums: InputSums }
);

/** A matrix whose inputs are the last outputs of another, each times something that does not change. */
function behindMatrix(
  before: BlockWeight | undefined,
  weight: BlockWeight,
  inputs: MatrixInputs,
): ScaledSet | undefined {
  if (before === undefined) return undefined;
  const { rows, changed } = inputs;
  return {
    ...{ weights: [weight], rows, sums: rows === undefined ? inputs.sums : () => sumsOf(rows) },
    lossBy: (sums) => matrixLoss([weight], sums),
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

function sumsOf(rows: SavedRows): InputSums {
  const sums = new InputSums();
  rows.forEach((each) => {
    sums.add(each);
  });
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
function matrixLoss(weights: readonly BlockWeight[], { gram }: InputSums): Loss {
  return (change) =>
    weights.reduce(
      (sum, weight) =>
        sum +
        scope(() => {
          if (gram === undefined) return 0;
          const error = scope(() => change(weight.read()).sub(weight.read()));
          return error.matmul(gram).mul(error).sum().item();
        }),
      0,
    );
}

/** Squared change of what attention or MLP gives. @param rows [N, D] of each window */
function moduleLoss(
  { block, context, index }: ScaledBlock,
  weights: readonly BlockWeight[],
  rows: SavedRows,
  isAttention: boolean,
): Loss {
  const run = (window: Tensor): Tensor => {
    const x = window.unsqueeze(0); // [1, T, D]
    return isAttention ? block.attention.forward(x, context, index) : block.mlp.forward(x);
  };
  const exact = Array.from({ length: rows.count }, (_, place) => scope(() => run(rows.read(place))));
  return (changed) => {
    const kept = weights.map((weight) => weight.read().clone());
    for (const weight of weights) weight.write(changed(weight.read()));
    const loss = exact.reduce(
      (sum, wanted, place) =>
        sum +
        scope(() => {
          const difference = run(rows.read(place)).sub(wanted);
          return difference.mul(difference).sum().item();
        }),
      0,
    );
    for (const [each, weight] of weights.entries()) weight.write(kept[each] ?? weight.read());
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
    if (rows === undefined || rows.count === 0) continue;
    const some = someRows(rows, CLIP_ROWS);
    for (const weight of weights)
      if (isQuantized(weight) && (!attentionIn.includes(weight.path) || weight.path === values))
        scope(() => weight.write(clipWeights(weight.read(), some, rounding)));
  }
}
