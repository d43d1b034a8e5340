/**
 * One stage of a model whose chunks are dealt out to several ranks: it has the parameters of its own chunks, and of the others nothing
 * but their shapes. A tied table is in the first and in the last stage; its gradient is the sum of both.
 */
import type { ProcessGroup } from '../../distributed/index.js';
import type { CausalLm } from '../../models/index.js';
import { empty, noGrad, operator, scope, type Tensor, zeros } from '../../tensor/index.js';
import type { Pipeline, SentTensor } from '../step/pipeline.js';
import type { SegmentRange } from '../step/segment-pass.js';
import { StageParameters } from './stage-parameters.js';

const setTensor = operator('aten::set_.source_Tensor');

/** Of the parameters that are brought together at the end. */
const COLLECTED = 0;

export interface PipelineStageOptions {
  readonly group: ProcessGroup;
  readonly chunksPerStage: number;
  /** Is the whole model brought to the first stage of this group, where it is asked for? Of groups with the same model one is enough. */
  readonly isCollected: boolean;
  /** Makes the group of the first and the last stage, on these alone. */
  readonly joinEnds: (rank: 0 | 1) => ProcessGroup;
}

export class PipelineStage implements Pipeline {
  readonly stage: number;
  readonly stages: number;
  readonly chunksPerStage: number;
  readonly chunks: readonly SegmentRange[];
  readonly firstTrained: number;
  readonly group: ProcessGroup;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #places: StageParameters;
  readonly #ends: ProcessGroup | undefined;
  readonly #isCollected: boolean;

  /** @param trained by own path */
  constructor(
    model: CausalLm,
    trained: ReadonlyMap<string, Tensor>,
    { group, chunksPerStage, isCollected, joinEnds }: PipelineStageOptions,
  ) {
    this.#isCollected = isCollected;
    const segments = model.segments();
    this.group = group;
    this.stage = group.rank;
    this.stages = group.size;
    this.chunksPerStage = chunksPerStage;
    this.#places = new StageParameters(model, { stages: group.size, chunksPerStage });
    this.chunks = this.#places.chunks;
    this.firstTrained = segments.findIndex(({ parameters }) => parameters.some((path) => trained.has(path)));
    if (this.firstTrained < 0) throw new TypeError('no parameter to train');
    this.#parameters = new Map(model.namedParameters());
    const isTied = this.#places.hasShared;
    if (isTied && this.stage === 0) this.#ends = joinEnds(0);
    if (isTied && this.stage === this.stages - 1) this.#ends = joinEnds(1);
    this.#release();
  }

  /** Is this parameter of this stage? */
  has(path: string): boolean {
    return this.#places.stagesOf(path).includes(this.stage);
  }

  /** Of those that have a parameter, one answers for it. */
  answersFor(path: string): boolean {
    return this.#places.stagesOf(path)[0] === this.stage;
  }

  /** Another stage has it too. */
  isShared(path: string): boolean {
    return this.has(path) && this.#places.stagesOf(path).length > 1;
  }

  /** Is this segment of the model computed here? */
  computes(segment: number): boolean {
    return this.#places.stageOfSegment(segment) === this.stage;
  }

  /** Of the stages that share parameters, in place. @param values the same part of them on both */
  sumShared(values: Tensor): void {
    this.#ends?.allReduce(values).wait();
  }

  sum(value: number): number {
    return this.group.gatherNumbers([value]).reduce((total, [own = Number.NaN]) => total + own, 0);
  }

  send(tensor: Tensor, stage: number, tag: number): SentTensor {
    return this.group.send(tensor, stage, tag);
  }

  receive(into: Tensor, stage: number, tag: number): Tensor {
    return this.group.receive(into, stage, tag);
  }

  /** Runs something with the whole model on the first stage; the others have what they have. */
  withWhole<Result>(body: () => Result): Result {
    this.collect();
    try {
      return body();
    } finally {
      this.#release();
    }
  }

  /** The same of something that takes turns with others. */
  async whileWhole<Result>(body: () => Promise<Result>): Promise<Result> {
    this.collect();
    try {
      return await body();
    } finally {
      this.#release();
    }
  }

  /** Brings the whole model to the first stage, tensor by tensor; the others keep their own. */
  collect(): void {
    if (!this.#isCollected) return;
    noGrad(() => {
      for (const [path, [owner = 0]] of this.#places.entries()) {
        const parameter = this.#parameters.get(path);
        if (parameter === undefined || owner === 0) continue;
        if (owner === this.stage)
          scope(() => this.send(parameter.detach().contiguous(), 0, COLLECTED).wait());
        if (this.stage === 0)
          scope(() => {
            const { shape, dtype, device } = parameter;
            setTensor(parameter, this.receive(empty(shape, { dtype, device }), owner, COLLECTED));
          });
      }
    });
  }

  /** Leaves shapes in the place of what other stages have. */
  #release(): void {
    noGrad(() => {
      for (const [path, parameter] of this.#parameters) if (!this.has(path)) forgetValues(parameter);
    });
  }
}

/** The shape stays. */
function forgetValues(parameter: Tensor): void {
  const { shape, dtype, device } = parameter;
  scope(() => setTensor(parameter, zeros([1], { dtype, device }).expand(shape)));
}
