/**
 * Ranks that share every large matrix of one model and generate with it. The first has the requests, the scheduler and the sampling;
 * the others make the passes that it tells them of (`StepFollower`).
 */
import { AdapterSet } from '../../checkpoint/index.js';
import { productVersion } from '../../config/index.js';
import {
  FollowerBell,
  LeaderBell,
  type ProcessGroup,
  type RankEnvironment,
  TensorGroup,
  World,
} from '../../distributed/index.js';
import { type LoadedModel, type ModelPeers, SplitModel, type SplitPlace } from '../../models/index.js';
import {
  linearRoute,
  noGrad,
  scope,
  setLinearRoute,
  tensorFromBytes,
  torchVersion,
  zeros,
} from '../../tensor/index.js';
import { agree } from './load-together.js';
import { StepFollower } from './step-follower.js';

/** For the others to come: they may have to be started first. */
const JOIN_MILLISECONDS = 300_000;
/** Of one exchange within a step: who takes longer hangs. */
const STEP_MILLISECONDS = 300_000;

export class ModelRanks implements ModelPeers {
  readonly place: SplitPlace;
  /** Of them on this machine. */
  readonly localSize: number;
  readonly #world: World;
  readonly #steps: ProcessGroup;
  readonly #bell: LeaderBell | FollowerBell;
  readonly #splits = new WeakMap<object, SplitModel>();

  private constructor(world: World, localSize: number, bell: LeaderBell | FollowerBell) {
    this.#world = world;
    this.#bell = bell;
    this.localSize = localSize;
    this.place = { rank: world.rank, size: world.size };
    this.#steps = world.subgroup('steps', world.rank, world.size, STEP_MILLISECONDS);
  }

  /**
   * @param command what all ranks must have been asked for alike
   * @throws InputError if the ranks do not meet in time, or differ
   */
  static async join(environment: RankEnvironment, command: string): Promise<ModelRanks> {
    const { rank, size, host, localSize } = environment;
    const [store, key] = World.store(environment, 'bell');
    let bell: LeaderBell | FollowerBell;
    if (rank === 0) {
      bell = await LeaderBell.open(size, host);
      store.set(key, bell.address);
      await bell.allHere(JOIN_MILLISECONDS);
    } else bell = await FollowerBell.find(() => store.get(key), { host, rank }, JOIN_MILLISECONDS);
    const world = World.join(environment, { store, meeting: bell.name });
    const version = `${productVersion()} ${torchVersion()}`;
    world.agree(`the version (${productVersion()}, libtorch ${torchVersion()})`, version);
    world.agree('the command', command);
    // The same products on every rank, whatever each of them would measure.
    setLinearRoute(JSON.parse(world.tell(world.isFirst ? JSON.stringify(linearRoute()) : undefined)));
    return new ModelRanks(world, localSize, bell);
  }

  get isFirst(): boolean {
    return this.place.rank === 0;
  }

  /** @param hear called once on the first rank, when another one is gone */
  onLost(hear: (what: string) => void): void {
    if (this.#bell instanceof LeaderBell) this.#bell.onLost(hear);
  }

  /**
   * Every rank reads its part of a model, and whatever is put beside its layers, and computes with it from here on.
   * @throws on every rank what one of them throws
   */
  load<Loaded extends LoadedModel>(read: (place: SplitPlace) => Loaded): Loaded {
    let loaded: Loaded | undefined;
    let fault: unknown;
    try {
      loaded = read(this.place);
      const { model, architecture, cuts } = loaded;
      const group = new TensorGroup(this.#steps, false, true);
      this.#splits.set(model, new SplitModel(model, architecture.tables.sharding, group, cuts));
      if (this.isFirst) model.peers = this;
    } catch (error) {
      fault = error;
    }
    agree({ gatherFaults: (own) => this.#world.group.gatherTexts(own) }, fault);
    if (loaded === undefined) throw new TypeError('a model that was neither loaded nor refused');
    this.#world.agree('the model', JSON.stringify(loaded.architecture.publishedConfig));
    return loaded;
  }

  /** Of a model that `load` gave. */
  adapterSet({ model, architecture }: LoadedModel): AdapterSet {
    return new AdapterSet(model, architecture.names, this.#splits.get(model));
  }

  tell(words: Int32Array): void {
    if (!(this.#bell instanceof LeaderBell)) throw new TypeError('the first rank alone tells the others');
    this.#bell.ring(words.length);
    scope(() => {
      this.#steps.broadcast(tensorFromBytes(words, [words.length], 'int32')).wait();
    });
  }

  gatherFaults = (own: string): string[] => this.#steps.gatherTexts(own);

  gatherNumbers(values: readonly number[]): number[][] {
    return this.#world.group.gatherNumbers(values);
  }

  /**
   * Does what the first rank tells, until that ends.
   * @throws Error if the first rank is gone, or a pass fails
   */
  async follow({ model }: LoadedModel, adapters: AdapterSet | undefined): Promise<void> {
    const bell = this.#bell;
    if (bell instanceof LeaderBell) throw new TypeError('the first rank follows nobody');
    const follower = new StepFollower(model, adapters, this);
    try {
      await new Promise<void>((resolve, reject) => {
        bell.listen({
          onRing: (length) => {
            try {
              follower.do(this.#receive(length));
            } catch (error) {
              reject(error);
              // The others hear of it by this.
              bell.close();
            }
          },
          onEnd: (why) => (why === undefined ? resolve() : reject(new Error(`rank 0 is gone: ${why}`))),
        });
      });
    } finally {
      follower.dispose();
    }
  }

  /** The first rank has nothing more for the others. */
  end(): void {
    if (this.#bell instanceof LeaderBell) this.#bell.end();
    else this.#bell.close();
    this.#world.leave();
  }

  #receive(length: number): Int32Array {
    return scope(() =>
      noGrad(() => {
        const words = this.#steps.broadcast(zeros([length], { dtype: 'int32' })).wait();
        return Int32Array.from(words.to('float64').toFloat64Array());
      }),
    );
  }
}
