/** Where a command finds models and data: here, in the cache of the Hugging Face hub, and with `--hub` at an address. */
import { rankEnvironment } from '../distributed/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import { downloadRepository, findInCache, hubCacheFolder, parseRepositoryId } from '../hub/index.js';
import type { TrainConfig } from '../training/index.js';
import type { OptionSpec, OptionValues, Place } from './options.js';

export const hubOptions = {
  hub: {
    kind: 'string',
    value: 'URL',
    help: 'fetch ORG/NAME from this hub (https://huggingface.co or a mirror) into its cache; without it nothing is fetched',
  },
} as const satisfies Record<string, OptionSpec>;

/**
 * The options of a command, those with a `place` resolved: by the cache, and with `--hub` by what is fetched into it.
 * @throws InputError as `findPlace`
 */
export async function placed<Specs extends Record<string, OptionSpec>>(
  specs: Specs,
  options: OptionValues<Specs>,
): Promise<OptionValues<Specs>> {
  const hub: unknown = Reflect.get(options, 'hub');
  const address = typeof hub === 'string' ? hub : undefined;
  const result = { ...options };
  for (const [name, { place }] of Object.entries<OptionSpec>(specs)) {
    const value: unknown = Reflect.get(options, name);
    if (place === undefined) continue;
    if (typeof value === 'string') Reflect.set(result, name, await findPlace(value, place, address));
    if (Array.isArray(value)) Reflect.set(result, name, await findPlaces(value.map(String), place, address));
  }
  return result;
}

/**
 * The path itself, or where the cache has what it names; a hub is asked first, and only for what does not lie here.
 * @throws InputError for a model that neither is here nor in the cache, and as `downloadRepository`
 */
export async function findPlace(text: string, place: Place, hub: string | undefined): Promise<string> {
  const kind = place === 'data' ? 'dataset' : 'model';
  const repository = isHere(text) ? undefined : parseRepositoryId(text, kind);
  if (hub !== undefined && repository !== undefined) {
    refuseRanks(text);
    return await downloadRepository(repository, { endpoint: hub, place });
  }
  const found = findInCache(text, kind);
  if (found === text && place === 'model' && repository?.path === '' && !/\.\w+$/.test(text))
    throw new InputError(
      `${text}: no such model folder or weight file, and no repository of this name in the cache (${hubCacheFolder()}); ` +
        '--hub URL fetches one.',
    );
  return found;
}

/** Many paths, one after the other: each may be a download. */
export async function findPlaces(
  texts: readonly string[],
  place: Place,
  hub: string | undefined,
): Promise<string[]> {
  const found: string[] = [];
  for (const text of texts) found.push(await findPlace(text, place, hub));
  return found;
}

/** Ranks would fetch the same into the same place at the same time. */
function refuseRanks(text: string): void {
  const size = rankEnvironment()?.size ?? 1;
  if (size > 1)
    throw new InputError(
      `--hub: ${size} ranks were started, and each would fetch ${text}; fetch it once before with any other command, then leave --hub out.`,
    );
}

/** stdin and addresses lie at no place. */
function isHere(text: string): boolean {
  return text === '-' || text.includes('://') || fileStatus(text) !== undefined;
}

/**
 * A training configuration with its paths resolved: the model, its tokenizer and adapter, rows and records.
 * @throws InputError as `findPlace`
 */
export async function placedConfig(config: TrainConfig, hub: string | undefined): Promise<TrainConfig> {
  const { model, data, evaluation } = config;
  const one = async (text: string | undefined, place: Place): Promise<string | undefined> =>
    text === undefined ? undefined : await findPlace(text, place, hub);
  const path = await one(model.path, 'model');
  const tokenizer = await one(model.tokenizer, 'tokenizer');
  const adapter = await one(model.adapter, 'model');
  return {
    ...config,
    model: {
      ...model,
      ...(path !== undefined && { path }),
      ...(tokenizer !== undefined && { tokenizer }),
      ...(adapter !== undefined && { adapter }),
    },
    data: await placedRows(data, hub),
    ...(evaluation !== undefined && { evaluation: await placedRows(evaluation, hub) }),
  };
}

async function placedRows<Rows extends Pick<TrainConfig['data'], 'dataset' | 'files'>>(
  rows: Rows,
  hub: string | undefined,
): Promise<Rows> {
  const { dataset, files } = rows;
  return {
    ...rows,
    ...(typeof dataset === 'string' && { dataset: await findPlace(dataset, 'data', hub) }),
    ...(Array.isArray(dataset) && { dataset: await findPlaces(dataset, 'data', hub) }),
    ...(files !== undefined && { files: await findPlaces(files, 'data', hub) }),
  };
}
