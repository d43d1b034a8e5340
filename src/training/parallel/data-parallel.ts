/**
 * Ranks that each compute a part of a step's rows on the same model. What every rank keeps of the trained parameters
 * follows ZeRO (Rajbhandari et al. 2020, arXiv 1910.02054): 0 everything; 1 a part of the optimiser state; 2 of the gradients too;
 * 3 of the parameters too, which are gathered segment by segment, the next one while this one computes.
 */
import type { ElementRange } from '../../checkpoint/index.js';
import type { Collectives } from '../../distributed/index.js';
import type { CausalLm, SplitModel } from '../../models/index.js';
import { type FloatDType, isFloatDType, scope, type Tensor } from '../../tensor/index.js';
import type { MetricSum } from '../objective/objective.js';
import type { Gradients } from '../step/gradient-store.js';
import type { SegmentRun, SegmentSteps } from '../step/segment-steps.js';
import type { SharedStep } from '../step/shared-step.js';
import { writeElements } from '../step/write-elements.js';
import { FlatUnit } from './flat-unit.js';
import { gatherMetricSums } from './metric-sums.js';
import { RankGradients } from './rank-gradients.js';

export type ZeroStage = 0 | 1 | 2 | 3;

export class DataParallel implements SharedStep {
  readonly rank: number;
  readonly ranks: number;
  readonly ranksOfRows: number;
  readonly gradients: Gradients;
  readonly segmentSteps: SegmentSteps;
  readonly #group: Collectives;
  readonly #zero: ZeroStage;
  readonly #rankGradients: RankGradients;
  readonly #units: readonly FlatUnit[];
  /** Of the trained parameters. */
  readonly #unitOf = new Map<string, FlatUnit>();
  /** What this rank updates. */
  readonly #updated = new Map<string, Tensor>();
  readonly #starts = new Map<string, number>();
  readonly #parameters: ReadonlyMap<string, Tensor>;
  /** undefined: each rank computes with whole matrices. */
  readonly #split: SplitModel | undefined;
  readonly #keepsWhole: boolean;
  #isLast = true;
  #isDisposed = false;

  /** @param parameters what is trained, by own path @param isWide sum gradients of 16 bit in float32 @param group of those that have the same part of the model */
  constructor(
    model: CausalLm,
    parameters: ReadonlyMap<string, Tensor>,
    group: Collectives,
    zero: ZeroStage,
    isWide: boolean,
    split?: SplitModel,
  ) {
    this.rank = group.rank;
    this.ranks = group.size;
    this.ranksOfRows = split?.group.size ?? 1;
    this.#split = split;
    this.#keepsWhole = split === undefined || (split.group.rank === 0 && group.rank === 0);
    this.#group = group;
    this.#zero = zero;
    this.#parameters = parameters;
    const { used, first } = this.#makeUnits(model, parameters);
    this.#units = [...new Set(used.flat())];
    for (const [path, parameter] of parameters) {
      const unit = this.#unitOf.get(path);
      const piece = zero === 0 ? { start: 0, values: parameter } : unit?.piece(path);
      if (piece === undefined) continue;
      this.#starts.set(path, piece.start);
      this.#updated.set(path, zero === 0 ? parameter : piece.values.keep());
    }
    this.#rankGradients = new RankGradients(parameters, group, {
      isWide: isWide || group.size > 1 || split !== undefined,
      isScattered: zero > 0,
      isEager: zero > 1,
      split,
    });
    this.gradients = this.#rankGradients;
    this.segmentSteps = this.#stepsAround(used, first);
  }

  updatedPart(path: string): Tensor | undefined {
    return this.#updated.get(path);
  }

  ownPart(path: string): Tensor | undefined {
    const split = this.#split;
    // What all ranks of a group have, the first of them answers for.
    if (split !== undefined && split.group.rank > 0 && !split.isCut(path)) return undefined;
    if (this.#zero > 0) return this.#updated.get(path);
    const place = [...this.#updated.keys()].indexOf(path);
    return place % this.ranks === this.rank ? this.#updated.get(path) : undefined;
  }

  rangesOf(path: string): readonly ElementRange[] {
    const start = this.#starts.get(path) ?? 0;
    const length = this.#updated.get(path)?.numElements ?? 0;
    return this.#split?.rangesOf(path, start, length) ?? [{ start, length }];
  }

  wholeShape(path: string): readonly number[] {
    return this.#split?.wholeShape(path) ?? this.#parameters.get(path)?.shape ?? [];
  }

  partOf(path: string, whole: Tensor): Tensor {
    const own = this.#split?.partOf(path, whole, 0).values ?? whole;
    const part = this.#updated.get(path);
    if (part === undefined || part.numElements === own.numElements) return own;
    return own.reshape([own.numElements]).narrow(0, this.#starts.get(path) ?? 0, part.numElements);
  }

  gatherNumbers(values: readonly number[]): number[][] {
    return this.#group.gatherNumbers(values);
  }

  gatherMetrics(sums: readonly MetricSum[]): readonly (readonly MetricSum[])[] {
    return gatherMetricSums(this.#group, sums);
  }

  beginMicroBatch(isLast: boolean): void {
    this.#isLast = isLast;
  }

  endMicroBatches(): void {
    this.#rankGradients.finish();
  }

  afterUpdate(): void {
    if (this.#zero === 1 || this.#zero === 2) for (const unit of this.#trainedUnits()) unit.refresh();
    // Whatever is still there is of before the update.
    for (const unit of this.#units) unit.settle();
  }

  writeParameter(path: string, values: Tensor, start: number): void {
    const unit = this.#unitOf.get(path);
    const parameter = this.#parameters.get(path);
    if (this.#isDisposed || unit === undefined) {
      // At the end of a run the whole model is one rank's.
      if (parameter !== undefined && this.#keepsWhole) writeElements(parameter, values, start);
      return;
    }
    scope(() => {
      const part = this.#split?.partOf(path, values, start) ?? { values, start };
      unit.write(path, part.values, part.start);
    });
  }

  withWholeModel<Result>(body: () => Result): Result {
    for (const unit of this.#units) unit.gather();
    try {
      return this.#split === undefined ? body() : this.#split.withWhole(body);
    } finally {
      for (const unit of this.#units) unit.release();
    }
  }

  async whileWholeModel<Result>(body: () => Promise<Result>): Promise<Result> {
    for (const unit of this.#units) unit.gather();
    try {
      return await (this.#split === undefined ? body() : this.#split.whileWhole(body));
    } finally {
      for (const unit of this.#units) unit.release();
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    if (this.#zero > 0) for (const part of this.#updated.values()) part.dispose();
    for (const unit of this.#units) unit.dispose();
    this.#split?.join(this.#keepsWhole);
  }

  #trainedUnits(): Set<FlatUnit> {
    return new Set(this.#unitOf.values());
  }

  /**
   * A unit holds what the same segments compute with, in one dtype. Frozen parameters are in one only where they are shared out.
   * @returns used: the units of each segment; first: for each trained unit the earliest segment that uses it
   */
  #makeUnits(
    model: CausalLm,
    parameters: ReadonlyMap<string, Tensor>,
  ): { readonly used: FlatUnit[][]; readonly first: Map<FlatUnit, number> } {
    const all = new Map(model.namedParameters());
    const segments = model.segments();
    const users = new Map<string, number[]>();
    for (const [index, { parameters: paths }] of segments.entries())
      for (const path of paths) users.set(path, [...(users.get(path) ?? []), index]);
    const groups = new Map<
      string,
      { dtype: FloatDType; isTrained: boolean; members: Map<string, Tensor>; in: number[] }
    >();
    for (const [path, indices] of users) {
      const parameter = all.get(path);
      const isTrained = parameters.has(path);
      if (parameter === undefined || !(isTrained || this.#zero === 3)) continue;
      const { dtype } = parameter;
      if (!isFloatDType(dtype)) continue;
      const key = `${indices.join()} ${dtype} ${isTrained}`;
      const group = groups.get(key) ?? { dtype, isTrained, members: new Map(), in: indices };
      group.members.set(path, parameter);
      groups.set(key, group);
    }
    const used: FlatUnit[][] = segments.map(() => []);
    const first = new Map<FlatUnit, number>();
    for (const { dtype, isTrained, members, in: indices } of groups.values()) {
      const unit = new FlatUnit(members, dtype, this.#group, this.#zero === 3);
      for (const index of indices) used[index]?.push(unit);
      if (!isTrained) continue;
      first.set(unit, Math.min(...indices));
      for (const path of members.keys()) this.#unitOf.set(path, unit);
    }
    return { used, first };
  }

  #stepsAround(used: readonly (readonly FlatUnit[])[], first: ReadonlyMap<FlatUnit, number>): SegmentSteps {
    const unitsOf = (index: number): readonly FlatUnit[] => used[index] ?? [];
    const gather = (index: number, next: number): void => {
      for (const unit of unitsOf(index)) unit.gather();
      for (const unit of unitsOf(next)) unit.prefetch();
    };
    return {
      beforeForward: ({ index }) => gather(index, index + 1),
      afterForward: ({ index }) => {
        // The backward pass of the last segment comes at once.
        if (index < used.length - 1) for (const unit of unitsOf(index)) unit.release();
      },
      beforeBackward: ({ index }) => gather(index, index - 1),
      afterBackward: ({ index }: SegmentRun) => {
        for (const unit of unitsOf(index)) unit.release();
        const whole = unitsOf(index).filter((unit) => first.get(unit) === index);
        this.#rankGradients.reduce(whole, this.#isLast);
      },
    };
  }
}
