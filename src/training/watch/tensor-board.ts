/** The run as TensorBoard reads it: an event file in a folder of its own. */
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError, messageOf } from '../../errors/index.js';
import { AppendFile } from './append-file.js';
import { scalarsEvent, sessionStartEvent, textEvent, tfRecord, versionEvent } from './event-file.js';
import type { ResumeOptions } from './metrics-file.js';
import type { EvaluationRecord, RunObserver, StepRecord, TaskScoresRecord } from './observer.js';

let filesMade = 0;

/**
 * Writes a new event file into `folder`, which is made where it is missing. A resumed run adds a file that tells
 * readers to forget the steps behind the one it starts from.
 * @throws InputError if the folder cannot be written
 */
export function tensorBoard(folder: string, { resumedAfter }: ResumeOptions = {}): RunObserver {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new InputError(`${folder}: the folder for TensorBoard cannot be made: ${messageOf(error)}.`);
  }
  const now = (): number => Date.now() / 1000;
  // The name that TensorBoard looks for, its files in order of time.
  const stamp = Math.floor(now()).toString().padStart(10, '0');
  const host = hostname().replaceAll(/[^\w.-]/g, '_');
  const name = `events.out.tfevents.${stamp}.${host}.${process.pid}.${filesMade++}.xinghe`;
  const file = new AppendFile(join(folder, name));
  const write = (event: Buffer): void => file.append(tfRecord(event));
  write(versionEvent(now()));
  if (resumedAfter !== undefined) write(sessionStartEvent(now(), resumedAfter + 1));
  return {
    step: (record) => write(scalarsEvent(now(), record.step, stepScalars(record))),
    evaluation: (record) => write(scalarsEvent(now(), record.step, evaluationScalars(record))),
    taskScores: ({ step, scores }) => write(scalarsEvent(now(), step, taskScalars(scores))),
    sample: ({ step, prompt, text }) =>
      write(textEvent(now(), step, 'samples', `**${asText(prompt)}**\n\n${asText(text)}`)),
    close: () => file.close(),
  };
}

function taskScalars(scores: TaskScoresRecord['scores']): Map<string, number> {
  return new Map(
    scores.flatMap(({ task, metric, score }): [string, number][] =>
      score === null ? [] : [[`tasks/${task}/${metric}`, score]],
    ),
  );
}

function evaluationScalars({ loss, perplexity, metrics = {} }: EvaluationRecord): Map<string, number> {
  const scalars = new Map([['evaluation/loss', loss]]);
  if (perplexity !== undefined) scalars.set('evaluation/perplexity', perplexity);
  for (const [name, value] of Object.entries(metrics)) scalars.set(`evaluation/${name}`, value);
  return scalars;
}

function stepScalars(record: StepRecord): Map<string, number> {
  const scalars = new Map([
    ['train/loss', record.loss],
    ['train/grad_norm', record.gradNorm],
    ['train/learning_rate', record.learningRate],
    ['train/tokens', record.tokens],
    ['speed/tokens_per_second', record.tokensPerSecond],
    ['memory/resident_bytes', record.memoryBytes],
    ['memory/peak_bytes', record.peakMemoryBytes],
  ]);
  if (record.modelFlopsUtilisation !== undefined) scalars.set('speed/mfu', record.modelFlopsUtilisation);
  for (const [name, value] of Object.entries(record.metrics ?? {})) scalars.set(`train/${name}`, value);
  if (record.lossScale !== undefined) scalars.set('train/loss_scale', record.lossScale);
  for (const [phase, seconds] of Object.entries(record.phaseSeconds)) scalars.set(`phase/${phase}`, seconds);
  return scalars;
}

/** Model output must not be read as markup: what Markdown would take for a mark is escaped. */
function asText(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]<>()#+\-.!|~&$]/g, '\\$&').replaceAll('\n', '  \n');
}
