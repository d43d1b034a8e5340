/** The model of an engine: all of it, or the part of one of the ranks that the server was started as. */
import { AdapterSet } from '../../checkpoint/index.js';
import { rankEnvironment, selectRankDevice } from '../../distributed/index.js';
import { ModelRanks } from '../../generation/index.js';
import { type LoadedModel, loadModel, type SplitPlace } from '../../models/index.js';
import { prepareRuntime } from '../../tensor/index.js';
import type { TextEngineSetup } from './text-engine-module.js';

export interface SharedModel extends LoadedModel {
  /** undefined: this process has the whole model. */
  readonly ranks: ModelRanks | undefined;
  readonly adapters: AdapterSet;
  /** For the cache of each rank, when the weights are there; undefined where nobody knows (a device of its own). */
  readonly freeBytes: number | undefined;
}

/** @throws InputError for what cannot be loaded, on every rank */
export async function loadShared(setup: TextEngineSetup): Promise<SharedModel> {
  prepareRuntime(setup.threads === undefined ? {} : { threads: setup.threads });
  const { integerActivations = 'auto' } = setup;
  const read = (place?: SplitPlace): LoadedModel =>
    loadModel(setup.model.path, {
      configPath: setup.model.configPath,
      dtype: setup.dtype,
      keepIntegers: true,
      integerActivations,
      device: setup.device === undefined ? undefined : selectRankDevice(setup.device),
      place,
    });
  const environment = rankEnvironment();
  if (environment === undefined || environment.size === 1) {
    const loaded = read();
    const adapters = new AdapterSet(loaded.model, loaded.architecture.names);
    const freeBytes = loaded.model.device === 'cpu' ? process.availableMemory() : undefined;
    return { ...loaded, ranks: undefined, adapters, freeBytes };
  }
  const { model, dtype } = setup;
  const ranks = await ModelRanks.join(environment, JSON.stringify({ model, dtype, integerActivations }));
  const loaded = ranks.load(read);
  return { ...loaded, ranks, adapters: ranks.adapterSet(loaded), freeBytes: leastFree(ranks, loaded) };
}

/** What every rank has, of the memory that the ranks of its machine share. */
function leastFree(ranks: ModelRanks, { model }: LoadedModel): number | undefined {
  const free =
    model.device === 'cpu' ? process.availableMemory() / ranks.localSize : Number.POSITIVE_INFINITY;
  const least = Math.min(...ranks.gatherNumbers([free]).flat());
  return Number.isFinite(least) ? Math.floor(least) : undefined;
}
