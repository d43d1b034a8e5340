/** Runs on a thread: jobs on long texts, with a model loaded for this thread. */
import type { Work } from '../../workers/index.js';
import { type LoadServedModelOptions, loadServedModel } from '../served-model.js';
import { type DecodeJob, idsOfJob, type TextJob, textOfJob } from './text-job.js';

/** Ids are handed over, not copied. */
export type ThreadResult = Int32Array<ArrayBuffer> | string;

export function start(options: LoadServedModelOptions): Work<TextJob | DecodeJob, ThreadResult> {
  const model = loadServedModel(options);
  return (job) => (job.kind === 'decode' ? textOfJob(job, model) : Int32Array.from(idsOfJob(job, model)));
}

export function transfers(result: ThreadResult): ArrayBuffer[] {
  return typeof result === 'string' ? [] : [result.buffer];
}
