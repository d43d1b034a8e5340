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
import type { Pipeline } from '../step/pipeline.js';
import type { SegmentRun, SegmentSteps } from '../step/segment-steps.js';
import type { SharedStep } from '../step/shared-step.js';
import { writeElements } from '../step/write-elements.js';
import type { ContextSplit } from './context-split.js';
import { FlatUnit } from './flat-unit.js';
import { gatherMetricSums } from './metric-sums.js';
import type { PipelineStage } from './pipeline-stage.js';
import { RankGradients } from './rank-gradients.js';

export type ZeroStage = 0 | 1 | 2 | 3;

/** What of the model and the rows this rank shares with others than those of its group. */
export interface ModelParts {
  /** Those that have rows of their own; the others of the group have other tokens of the same. Default: all of the group. */
  readonly rows?: Collectives | undefined;
  /** Default: this rank computes with whole matrices. */
  readonly split?: SplitModel | undefined;
  /** Default: it computes all segments. */
  readonly stage?: PipelineStage | undefined;
  /** Default: it reads all tokens. */
  readonly context?: ContextSplit | undefined;
}

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
  /** Trained, and here. */
  readonly #parameters: ReadonlyMap<string, Tensor>;
  /** Trained, here or on another stage. */
  readonly #all: ReadonlyMap<string, Tensor>;
  readonly #rows: Collectives;
  readonly #split: SplitModel | undefined;
  readonly #stage: PipelineStage | undefined;
  readonly #context: ContextSplit | undefined;
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
    { rows = group, split, stage, context }: ModelParts = {},
  ) {
    this.rank = rows.rank;
    this.ranks = rows.size;
    this.#rows = rows;
    this.#stage = stage;
    this.#context = context;
    this.ranksOfRows = split?.group.size ?? 1;
    this.#split = split;
    this.#keepsWhole = (split === undefined && stage === undefined) || isFirst(group, split);
    this.#group = group;
    this.#zero = zero;
    this.#all = parameters;
    const here = new Map([...parameters].filter(([path]) => stage?.has(path) !== false));
    this.#parameters = here;
    const { used, first } = this.#makeUnits(model, here);
    this.#units = [...new Set(used.flat())];
    for (const [path, parameter] of here) {
      const unit = this.#unitOf.get(path);
      const piece = zero === 0 ? { start: 0, values: parameter } : unit?.piece(path);
      if (piece === undefined) continue;
      this.#starts.set(path, piece.start);
      this.#updated.set(path, zero === 0 ? parameter : piece.values.keep());
    }
    this.#rankGradients = new RankGradients(here, group, {
      isWide: isWide || group.size > 1 || split !== undefined || stage !== undefined,
      isScattered: zero > 0,
      isEager: zero > 1,
      split,
      stage,
    });
    this.gradients = this.#rankGradients;
    this.segmentSteps = this.#stepsAround(used, first);
  }

  get pipeline(): Pipeline | undefined {
    return this.#stage;
  }

  updatedPart(path: string): Tensor | undefined {
    return this.#updated.get(path);
  }

  ownPart(path: string): Tensor | undefined {
    const split = this.#split;
    if (this.#stage?.answersFor(path) === false) return undefined;
    // What all ranks of a group have, the first of them answers for.
    if (split !== undefined && split.group.rank > 0 && !split.isCut(path)) return undefined;
    if (this.#zero > 0) return this.#updated.get(path);
    const place = [...this.#updated.keys()].indexOf(path);
    return place % this.#group.size === this.#group.rank ? this.#updated.get(path) : undefined;
  }

  rangesOf(path: string): readonly ElementRange[] {
    const start = this.#starts.get(path) ?? 0;
    const length = this.#updated.get(path)?.numElements ?? 0;
    return this.#split?.rangesOf(path, start, length) ?? [{ start, length }];
  }

  wholeShape(path: string): readonly number[] {
    return this.#split?.wholeShape(path) ?? this.#all.get(path)?.shape ?? [];
  }

  partOf(path: string, whole: Tensor): Tensor {
    const own = this.#split?.partOf(path, whole, 0).values ?? whole;
    const part = this.#updated.get(path);
    if (part === undefined || part.numElements === own.numElements) return own;
    return own.reshape([own.numElements]).narrow(0, this.#starts.get(path) ?? 0, part.numElements);
  }

  gatherNumbers(values: readonly number[]): number[][] {
    return this.#rows.gatherNumbers(values);
  }

  sumOverStages(value: number): number {
    return this.#stage?.sum(value) ?? value;
  }

  gatherMetrics(sums: readonly MetricSum[]): readonly (readonly MetricSum[])[] {
    return gatherMetricSums([this.#rows, this.#stage?.group], sums);
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
    if (this.#isDisposed || unit === undefined) {
      // At the end of a run the whole model is one rank's.
      const parameter = (this.#isDisposed && this.#isFirstStage ? this.#all : this.#parameters).get(path);
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
    this.#context?.remove();
    const staged = (): Result => (this.#stage === undefined ? body() : this.#stage.withWhole(body));
    try {
      return this.#split === undefined ? staged() : this.#split.withWhole(staged);
    } finally {
      this.#context?.apply();
      for (const unit of this.#units) unit.release();
    }
  }

  async whileWholeModel<Result>(body: () => Promise<Result>): Promise<Result> {
    for (const unit of this.#units) unit.gather();
    this.#context?.remove();
    const staged = (): Promise<Result> => (this.#stage === undefined ? body() : this.#stage.whileWhole(body));
    try {
      return await (this.#split === undefined ? staged() : this.#split.whileWhole(staged));
    } finally {
      this.#context?.apply();
      for (const unit of this.#units) unit.release();
    }
  }

  dispose(isThrough: boolean): void {
    this.#isDisposed = true;
    if (this.#zero > 0) for (const part of this.#updated.values()) part.dispose();
    if (isThrough) for (const unit of this.#units) unit.gather();
    for (const unit of this.#units) unit.dispose();
    this.#context?.remove();
    if (!isThrough) return;
    this.#split?.join(this.#keepsWhole);
    this.#stage?.collect();
  }

  get #isFirstStage(): boolean {
    return this.#stage === undefined || this.#stage.stage === 0;
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
    const stage = this.#stage;
    const segments = model.segments();
    const users = new Map<string, number[]>();
    for (const [index, { parameters: paths }] of segments.entries())
      for (const path of stage?.computes(index) === false ? [] : paths)
        users.set(path, [...(users.get(path) ?? []), index]);
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
      // What another stage has too lies in the same way there.
      const key = `${indices.join()} ${dtype} ${isTrained} ${stage?.isShared(path) === true}`;
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

/** Of those that have the same stage of the model. */
function isFirst(group: Collectives, split: SplitModel | undefined): boolean {
  return group.rank === 0 && (split === undefined || split.group.rank === 0);
}
