/** Gradients summed over the ranks, segment by segment as the backward pass leaves them. */
import type { Collectives, Pending } from '../../distributed/index.js';
import type { SplitModel } from '../../models/index.js';
import { type FloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { GradientStore, type Gradients, normOf } from '../step/gradient-store.js';
import type { FlatUnit } from './flat-unit.js';
import type { PipelineStage } from './pipeline-stage.js';

/** A unit whose gradients are on their way. */
interface Reduction {
  readonly unit: FlatUnit;
  /** Those that the unit had a gradient of. */
  readonly paths: readonly string[];
  readonly pending: Pending;
}

export interface RankGradientsOptions {
  /** Sum gradients of 16 bit in float32. */
  readonly isWide: boolean;
  /** Each rank keeps its part of the sum only; else all of it. */
  readonly isScattered: boolean;
  /** Reduce after every micro-batch instead of after the last. */
  readonly isEager: boolean;
  /** The parts that other ranks have of the model. Default: this one has all of it. */
  readonly split?: SplitModel | undefined;
  /** The stage that this rank has of the model. Default: it has all of them. */
  readonly stage?: PipelineStage | undefined;
}

export class RankGradients implements Gradients {
  readonly #local: GradientStore;
  readonly #group: Collectives;
  readonly #options: RankGradientsOptions;
  readonly #sums = new Map<FlatUnit, { readonly sum: Tensor; readonly paths: Set<string> }>();
  readonly #pieces = new Map<string, Tensor>();
  #running: Reduction[] = [];

  constructor(parameters: ReadonlyMap<string, Tensor>, group: Collectives, options: RankGradientsOptions) {
    this.#local = new GradientStore(parameters, options.isWide);
    this.#group = group;
    this.#options = options;
  }

  isTrained(path: string): boolean {
    return this.#local.isTrained(path);
  }

  add(path: string, gradient: Tensor): void {
    this.#local.add(path, gradient);
  }

  /** All gradients of these units are there, as far as this micro-batch goes. */
  reduce(units: readonly FlatUnit[], isLast: boolean): void {
    if (!isLast && !this.#options.isEager) return;
    for (const unit of units) {
      const found = new Map(
        unit.paths.flatMap((path) => {
          const gradient = this.#local.take(path);
          return gradient === undefined ? [] : [[path, gradient] as const];
        }),
      );
      const dtype = this.#dtypeOf(unit);
      this.#sumOverParts(unit, found, dtype);
      const pending = this.#options.isScattered
        ? unit.reduceScatter(found, dtype)
        : unit.allReduce(found, dtype);
      for (const gradient of found.values()) gradient.dispose();
      this.#running.push({ unit, paths: [...found.keys()], pending });
      // One stays on its way while the next segment computes.
      this.#settle(1);
    }
  }

  /** Until every reduction is there. */
  finish(): void {
    this.#settle(0);
    const { stage } = this.#options;
    scope(() => {
      for (const [unit, { sum }] of this.#sums)
        if (unit.paths.some((path) => stage?.isShared(path) === true)) noGrad(() => stage?.sumShared(sum));
      for (const [unit, { sum, paths }] of this.#sums)
        for (const path of paths) {
          const piece = this.#options.isScattered ? unit.pieceIn(sum, path) : unit.wholeIn(sum, path);
          if (piece !== undefined) this.#pieces.set(path, piece.keep());
        }
    });
  }

  /** After `finish`. */
  get(path: string): Tensor | undefined {
    return this.#pieces.get(path);
  }

  /** The same on every rank. */
  norm(): number {
    const { isScattered, split, stage } = this.#options;
    const pieces = [...this.#pieces];
    // What all parts have alike is counted once, and so is what two stages have.
    const counted = pieces.filter(
      ([path]) =>
        (split === undefined || split.group.rank === 0 || split.isCut(path)) &&
        (stage === undefined || stage.answersFor(path)),
    );
    const own = normOf(counted.map(([, piece]) => piece)) ** 2;
    const ofParts = split === undefined ? own : squaresOver(split.group.group, own);
    const ofRanks = isScattered ? squaresOver(this.#group, ofParts) : ofParts;
    return Math.sqrt(stage?.sum(ofRanks) ?? ofRanks);
  }

  clear(): void {
    this.#settle(0);
    this.#local.clear();
    for (const piece of this.#pieces.values()) piece.dispose();
    for (const { sum } of this.#sums.values()) sum.dispose();
    this.#pieces.clear();
    this.#sums.clear();
  }

  /** Gradients of parameters that every part of the model has, as far as each is a part of a sum. */
  #sumOverParts(unit: FlatUnit, gradients: Map<string, Tensor>, dtype: FloatDType): void {
    const { split } = this.#options;
    if (split === undefined || gradients.size === 0) return;
    const paths = unit.paths.filter((path) => split.isSummed(path));
    if (paths.length === 0) return;
    noGrad(() => {
      const sums = unit.sideBySide(paths, gradients, dtype);
      split.group.group.allReduce(sums).wait();
      let start = 0;
      for (const path of paths) {
        const { length, shape } = unit.sizeOf(path);
        gradients.get(path)?.dispose();
        gradients.set(path, scope(() => sums.narrow(0, start, length).view(shape).clone()).keep());
        start += length;
      }
      sums.dispose();
    });
  }

  #dtypeOf({ dtype }: FlatUnit): FloatDType {
    const isNarrow = dtype === 'bfloat16' || dtype === 'float16';
    return isNarrow && this.#options.isWide ? 'float32' : dtype;
  }

  #settle(left: number): void {
    while (this.#running.length > left) {
      const reduction = this.#running.shift();
      if (reduction === undefined) return;
      const { unit, paths, pending } = reduction;
      const known = this.#sums.get(unit);
      if (known === undefined) {
        this.#sums.set(unit, { sum: pending.wait(), paths: new Set(paths) });
        continue;
      }
      const more = pending.wait();
      noGrad(() => known.sum.add_(more));
      more.dispose();
      for (const path of paths) known.paths.add(path);
    }
  }
}

function squaresOver(group: Collectives, own: number): number {
  return group.gatherNumbers([own]).reduce((sum, [square = 0]) => sum + square, 0);
}
