/** The ranks of a training run: how they meet, what each of them does, and what rank 0 does for all. */
import { setImmediate } from 'node:timers/promises';
import { productVersion } from '../../config/index.js';
import {
  ContextGroup,
  type ProcessGroup,
  type RankEnvironment,
  TensorGroup,
  World,
} from '../../distributed/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import {
  type Architecture,
  type CausalLm,
  type LoadedModel,
  SplitModel,
  type SplitPlace,
} from '../../models/index.js';
import { linearRoute, setLinearRoute, type Tensor, torchVersion } from '../../tensor/index.js';
import { residentBytes } from '../plan/process-memory.js';
import type { ShareStep } from '../step/shared-step.js';
import { checkWorldSize } from './check-layout.js';
import { ContextSplit } from './context-split.js';
import { DataParallel } from './data-parallel.js';
import { type Axis, alongAxes, type MeshPlace, meshPlace } from './mesh.js';
import { chunksPerStage, type ParallelConfig } from './parallel-config.js';
import { PipelineStage } from './pipeline-stage.js';
import type { StagePlace } from './stage-parameters.js';

/** What rank 0 says in the middle of long work, and how often: well within the time that a collective may take. */
const GOES_ON = '{"goesOn":true}';
const TURN_MILLISECONDS = 2_000;

/** In this order the ranks tell one another which they have received. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGHUP'];

/** A rank's place on an axis of the mesh, and those that it is there with. */
export interface RankAxis {
  readonly rank: number;
  readonly size: number;
  readonly group: ProcessGroup;
}

/** What ranks of a run ask of the world that they met in. */
export type RunWorld = Pick<
  World,
  'rank' | 'size' | 'isFirst' | 'group' | 'subgroup' | 'agree' | 'tell' | 'collect' | 'leave'
>;

export class RunRanks {
  readonly world: RunWorld;
  /** Resident memory before they met. */
  readonly startBytes: number;
  /** Those that have other rows, and the same part of the model. */
  readonly data: RankAxis;
  /** Those that have the other stages of the model; undefined: this one has all of it. */
  readonly stages: ProcessGroup | undefined;
  readonly #place: MeshPlace;
  readonly #parallel: ParallelConfig;
  readonly #tensor: TensorGroup | undefined;
  readonly #context: ContextGroup | undefined;
  /** Those whose gradients are summed: they have other rows, or other tokens of the same. */
  readonly #gradients: ProcessGroup;

  /** @param startBytes resident memory before they met. Default: that of now */
  constructor(world: RunWorld, parallel: ParallelConfig, startBytes = residentBytes()) {
    this.world = world;
    this.startBytes = startBytes;
    this.#parallel = parallel;
    this.#place = meshPlace(world.rank, world.size, parallel);
    const { sequence, tensor, context, pipeline } = parallel;
    this.#tensor = tensor === 1 ? undefined : new TensorGroup(this.#groupAlong('tensor'), sequence);
    this.#context = context === 1 ? undefined : new ContextGroup(this.#groupAlong('context'));
    this.stages = pipeline === 1 ? undefined : this.#groupAlong('pipeline');
    const group = this.#groupAlong('data');
    this.data = { rank: group.rank, size: group.size, group };
    this.#gradients = context === 1 ? group : this.#groupAlong('data', 'context');
  }

  #groupAlong(...axes: Axis[]): ProcessGroup {
    const { rank, size, name } = alongAxes(this.#place, axes);
    return size === this.world.size ? this.world.group : this.world.subgroup(name, rank, size);
  }

  /**
   * @param identity what all ranks must have in common: the configuration
   * @throws InputError if the ranks do not meet, or differ
   */
  static join(environment: RankEnvironment, parallel: ParallelConfig, identity: string): RunRanks {
    checkWorldSize(environment.size, parallel);
    const startBytes = residentBytes();
    const world = World.join(environment);
    world.agree(
      `the version (${productVersion()}, libtorch ${torchVersion()})`,
      `${productVersion()} ${torchVersion()}`,
    );
    world.agree('the configuration', identity);
    // The same products on every rank, whatever each of them would measure.
    setLinearRoute(JSON.parse(world.tell(world.isFirst ? JSON.stringify(linearRoute()) : undefined)));
    return new RunRanks(world, parallel, startBytes);
  }

  /** Among those that share matrices; undefined: there are none. */
  get place(): SplitPlace | undefined {
    return this.#tensor;
  }

  /** Among those that have the other stages; undefined: there are none. */
  get stagePlace(): StagePlace | undefined {
    const { stages: group } = this;
    return group && { stage: group.rank, stages: group.size, chunksPerStage: chunksPerStage(this.#parallel) };
  }

  /** How the ranks share the steps of a model, whose parameters are cut as its family says. @param cuts of those that were read so */
  share({ tables: { sharding } }: Pick<Architecture, 'tables'>, cuts?: LoadedModel['cuts']): ShareStep {
    return (model, parameters, isWide) => {
      const stage = this.stages && this.#stageOf(model, parameters, this.stages);
      const isHere = (path: string): boolean => stage?.has(path) !== false;
      const split = this.#tensor && new SplitModel(model, sharding, this.#tensor, cuts, isHere);
      const context = this.#context && new ContextSplit(model, this.#context);
      const parts = { rows: this.data.group, split, stage, context };
      return new DataParallel(model, parameters, this.#gradients, this.#parallel.zero, isWide, parts);
    };
  }

  #stageOf(model: CausalLm, parameters: ReadonlyMap<string, Tensor>, group: ProcessGroup): PipelineStage {
    const { name } = alongAxes(this.#place, ['pipeline']);
    return new PipelineStage(model, parameters, {
      group,
      chunksPerStage: chunksPerStage(this.#parallel),
      isCollected: this.#isOfFirst,
      joinEnds: (rank) => this.world.subgroup(`ends-${name}`, rank, 2),
    });
  }

  /** On the axes beside the pipeline. */
  get #isOfFirst(): boolean {
    const { data, context, tensor } = this.#place.at;
    return data === 0 && context === 0 && tensor === 0;
  }

  get rank(): number {
    return this.world.rank;
  }

  get size(): number {
    return this.world.size;
  }

  /** Rank 0 writes, reports and answers for all. */
  get isFirst(): boolean {
    return this.world.isFirst;
  }

  /** Of the ranks that compute on the same rows, one speaks for all. */
  get isFirstOfRows(): boolean {
    const { pipeline, context, tensor } = this.#place.at;
    return pipeline === 0 && context === 0 && tensor === 0;
  }

  /** Rank 0 alone runs it, the others wait. @throws what it throws there; on the others an error that says so */
  async first<Result>(body: () => Result | Promise<Result>): Promise<Result | undefined> {
    if (!this.isFirst) {
      throwIfFailed(this.world.tell(undefined));
      return undefined;
    }
    try {
      const result = await body();
      this.world.tell('{}');
      return result;
    } catch (error) {
      this.world.tell(JSON.stringify({ error: messageOf(error), isInput: error instanceof InputError }));
      throw error;
    }
  }

  /**
   * As `first`, of what takes long: rank 0 calls what it is given again and again, and the others know that it goes on.
   * @param onTurn called on the others as often
   */
  async firstAtLength<Result>(
    body: (goesOn: () => void) => Promise<Result>,
    onTurn: () => void,
  ): Promise<Result | undefined> {
    if (this.isFirst) {
      let told = performance.now();
      return this.first(() =>
        body(() => {
          if (performance.now() - told < TURN_MILLISECONDS) return;
          this.world.tell(GOES_ON);
          told = performance.now();
        }),
      );
    }
    for (;;) {
      const text = this.world.tell(undefined);
      if (text !== GOES_ON) {
        throwIfFailed(text);
        return undefined;
      }
      onTurn();
      await setImmediate();
    }
  }

  /** A text that rank 0 finds out; it alone gives the body. @throws on every rank what the body throws */
  async tellFirst(body?: () => string): Promise<string> {
    let text: string | undefined;
    await this.first(() => {
      text = body?.();
    });
    return this.world.tell(text);
  }

  /** Every rank does its part. @throws on every rank if it throws on one */
  together(body: () => void): void {
    let failed: unknown;
    try {
      body();
    } catch (error) {
      failed = error;
    }
    const failures = this.world.group
      .gatherNumbers([failed === undefined ? 0 : 1])
      .flatMap(([flag], rank) => (flag === 0 ? [] : [rank]));
    if (failed !== undefined) throw failed;
    if (failures.length > 0) throw new Error(`rank ${failures.join(', ')} could not do its part`);
  }

  /** The signal that some rank has received, the same answer on every rank. */
  anySignal(received: NodeJS.Signals | undefined): NodeJS.Signals | undefined {
    const own = received === undefined ? 0 : SIGNALS.indexOf(received) + 1;
    const first = this.world.group
      .gatherNumbers([own])
      .flat()
      .find((place) => place > 0);
    return first === undefined ? undefined : SIGNALS[first - 1];
  }

  leave(): void {
    this.world.leave();
  }
}

/** @param text what rank 0 has told of its end */
function throwIfFailed(text: string): void {
  const { error, isInput } = JSON.parse(text);
  if (error !== undefined) throw isInput === true ? new InputError(error) : new Error(`rank 0: ${error}`);
}
