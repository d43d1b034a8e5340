/** The folder of a run: whether it may be written to, whether its run is through, and what a run that fails at once leaves. */
import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError, messageOf } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { RunCheckpointStore } from '../checkpoints/run-checkpoint-store.js';
import { METRICS_FILE } from '../watch/run-files.js';
import type { TrainConfig } from './run-config.js';
import { RUN_START } from './run-state.js';
import type { TrainingResult } from './train-rows-options.js';

export const CHECKPOINTS = 'checkpoints';
export const FINAL = 'final';
export const ADAPTER = 'adapter';

/** What a run leaves in its folder; a second one must not write over it. */
const RUN_FILES = [METRICS_FILE, CHECKPOINTS, ADAPTER, FINAL] as const;

/** A run that has nothing left to do: `final/` stands, and the last checkpoint is that of the last step. */
export function finishedRun(
  { output, training }: TrainConfig,
  store: RunCheckpointStore,
): TrainingResult | undefined {
  if (fileStatus(join(output, FINAL)) === undefined) return undefined;
  const manifest = store.steps().length === 0 ? undefined : store.newest().manifest;
  const { steps: wanted } = training;
  const isThrough =
    manifest === undefined ||
    (manifest.step >= manifest.totalSteps && (wanted === undefined || wanted <= manifest.totalSteps));
  if (!isThrough) return undefined;
  log(`${join(output, FINAL)} is there: the run is finished, nothing is left to do`);
  const { step, tokens, rows } = manifest ?? RUN_START;
  return {
    losses: [],
    evaluations: [],
    seconds: 0,
    tokens,
    skippedSteps: 0,
    progress: { ...RUN_START, step, tokens, rows },
  };
}

/** @throws InputError where the folder holds a run already */
export function refuseOtherRun(output: string): undefined {
  const status = fileStatus(output);
  if (status !== undefined && !status.isDirectory())
    throw new InputError(`${output}: output is a file; name a folder.`);
  const found = RUN_FILES.find((name) => fileStatus(join(output, name)) !== undefined);
  if (found !== undefined)
    throw new InputError(
      `${output}: holds a run already (${found}); name another output folder, remove this one, or go on with --resume.`,
    );
  return undefined;
}

/** @returns the uppermost folder that had to be made */
export function makeFolder(output: string): string | undefined {
  try {
    return mkdirSync(output, { recursive: true });
  } catch (error) {
    throw new InputError(`${output}: the output folder cannot be made: ${messageOf(error)}.`);
  }
}

/** A run that fails in its first step leaves no folder behind. */
export function removeIfEmpty(output: string, made: string | undefined): void {
  const metrics = join(output, METRICS_FILE);
  if (fileStatus(metrics)?.size === 0) rmSync(metrics);
  if (made === undefined) return;
  for (let folder = output; readdirSync(folder).length === 0; folder = dirname(folder)) {
    rmdirSync(folder);
    if (folder === made) return;
  }
}
