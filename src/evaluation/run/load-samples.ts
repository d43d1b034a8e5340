/** The samples of one task, and what is to be said of its files. */
import { createHash } from 'node:crypto';
import { InputError } from '../../errors/index.js';
import { Problems } from '../problems.js';
import { SetReader } from '../sets/set-reader.js';
import type { Sample } from '../task.js';
import type { EvaluationPlan, TaskPlan } from './evaluation-plan.js';
import { limitSamples } from './limit-samples.js';

export interface LoadedTask {
  readonly plan: TaskPlan;
  readonly samples: readonly Sample[];
  /** Ids of all samples, also of those beyond the limit. */
  readonly ids: ReadonlySet<string>;
  readonly notes: readonly string[];
  readonly problems: Problems;
  readonly data: { readonly files: number; readonly sha256: string };
}

/** @throws InputError where the set is not there, or not of its form */
export async function loadSamples(
  plan: TaskPlan,
  { data, split, limit }: EvaluationPlan,
  recordedIds: ReadonlySet<string> | undefined,
): Promise<LoadedTask> {
  const { task, shots, isShotsWanted, isCot, isSingleChoiceOnly } = plan;
  const problems = new Problems();
  const root = task.root ?? data;
  if (root === undefined) throw new RangeError(`${task.name} without a root of its data`);
  const reader = new SetReader(task.name, root, task.folder, problems);
  const { samples, notes } = await task.load(reader, {
    shots,
    isShotsWanted,
    isCot,
    isSingleChoiceOnly,
    split,
    needsPrompts: recordedIds === undefined,
    recordedIds,
  });
  refuseDoubles(samples, reader);
  const hashes = Object.entries(reader.hashes);
  const whole = createHash('sha256').update(hashes.map((pair) => pair.join(' ')).join('\n'));
  return {
    plan,
    samples: limitSamples(samples, limit),
    ids: new Set(samples.map(({ id }) => id)),
    notes,
    problems,
    data: { files: hashes.length, sha256: whole.digest('hex') },
  };
}

/** Ids go with recorded outputs and unfinished runs: each stands for one sample. */
function refuseDoubles(samples: readonly Sample[], { task, folder }: SetReader): void {
  const seen = new Set<string>();
  for (const { id } of samples) {
    if (seen.has(id))
      throw new InputError(
        `${task}: two samples below ${folder} have the id "${id}": two files have one name. Rename one of them, or take it out.`,
      );
    seen.add(id);
  }
}
