/** A command that generates, on all ranks that it was started as (`xinghe launch`): the first does what it says, the others follow. */
import { setTimeout as delay } from 'node:timers/promises';
import { type RankEnvironment, rankEnvironment } from '../distributed/index.js';
import { InputError, InterruptedError, messageOf } from '../errors/index.js';
import { ModelRanks } from '../generation/index.js';
import { writeStderr } from '../log/index.js';
import { checkTensorSplit, loadModelArchitecture } from '../models/index.js';
import { prepareRuntime } from '../tensor/index.js';
import { type IntegerOptionValues, loadModelByOptions, type modelOptions } from './model-options.js';
import type { OptionValues } from './options.js';

/** For the first rank to say for itself what went wrong: it is the one to blame. */
const SECOND_MILLISECONDS = 1_000;
const EXIT_FAILURE = 1;

type RankOptions = OptionValues<typeof modelOptions> & Partial<IntegerOptionValues>;

/**
 * @param body of a process on its own, or of the first rank
 * @returns its exit code; 0 on the other ranks @throws InputError for a model that so many ranks cannot share
 */
export async function onRanks(
  options: RankOptions,
  body: (ranks: ModelRanks | undefined) => Promise<number> | number,
): Promise<number> {
  const environment = rankEnvironment();
  if (environment === undefined || environment.size === 1) return await body(undefined);
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  checkRanks(options, environment);
  const ranks = await ModelRanks.join(environment, JSON.stringify(options));
  if (!ranks.isFirst) return await follow(ranks, options);
  ranks.onLost((what) => {
    writeStderr(`xinghe: ${what}\n`);
    process.exit(EXIT_FAILURE);
  });
  try {
    return await body(ranks);
  } finally {
    ranks.end();
  }
}

/** @throws InputError for a model that so many ranks cannot share */
export function checkRanks(
  { model, config }: Pick<OptionValues<typeof modelOptions>, 'model' | 'config'>,
  { size }: RankEnvironment,
): void {
  checkTensorSplit(loadModelArchitecture(model, config), size, `${size} ranks were started`);
}

async function follow(ranks: ModelRanks, options: RankOptions): Promise<number> {
  // All ranks hear them; the first one decides what comes of it, and what is under way needs all.
  let signal: NodeJS.Signals | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const)
    process.on(name, () => {
      signal = name;
    });
  try {
    const loaded = loadModelByOptions(options, { ranks });
    await ranks.follow(loaded, undefined);
    ranks.end();
    return 0;
  } catch (error) {
    if (error instanceof InputError) throw error;
    await delay(SECOND_MILLISECONDS);
    if (signal !== undefined) throw new InterruptedError(`stopped by ${signal}`);
    throw new Error(messageOf(error), { cause: error });
  }
}
