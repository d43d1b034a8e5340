/** A run up to its first step: everything is read and checked, nothing is written, nothing is learned. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Row, RowOrder, type RowSource } from '../../data/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { RunCheckpointStore } from '../checkpoints/run-checkpoint-store.js';
import { findStart } from './checkpointer.js';
import { refuseOtherRun } from './output-folder.js';
import { prepareRun } from './run.js';
import type { TrainConfig } from './run-config.js';
import { rowsPerStep as rowsOfStep, stepsOf } from './run-parts.js';
import type { CreateTaskEvaluator } from './task-evaluation.js';

export interface DryRun {
  /** As YAML, all defaults filled in. */
  readonly config: string;
  readonly steps: number;
  readonly rowsPerStep: number;
  readonly rows: number;
  readonly heldOutRows: number | undefined;
  /** Steps that a resumed run has behind it. */
  readonly stepsDone: number;
  /** The first rows of the order that the run would take, as text; learned text within ⟦ ⟧. */
  readonly firstRows: readonly string[];
}

export interface DryRunOptions {
  readonly resume?: string | undefined;
  /** How many of the first rows are shown. Default 2. */
  readonly shownRows?: number;
  /** Who measures evaluation.tasks: their sets are read and checked too. */
  readonly createTaskEvaluator?: CreateTaskEvaluator | undefined;
}

/** @throws InputError for whatever `runTraining` would refuse before it writes */
export async function dryRun(
  config: TrainConfig,
  { resume, shownRows = 2, createTaskEvaluator }: DryRunOptions = {},
): Promise<DryRun> {
  const { output, training, checkpoints } = config;
  const store = new RunCheckpointStore(join(output, 'checkpoints'), checkpoints);
  const start = resume === undefined ? refuseOtherRun(output) : findStart(store, resume);
  const { loaded, data, heldOut, tokenizer, teacher, tasks } = await prepareRun(config, store, start, {
    createTaskEvaluator,
  });
  try {
    const { rows } = data;
    const rowsPerStep = rowsOfStep(training);
    const stepsDone = start?.manifest.step ?? 0;
    return {
      config: stringify(config),
      steps: stepsOf(training, rows.rowCount),
      rowsPerStep,
      rows: rows.rowCount,
      heldOutRows: heldOut?.rows.rowCount,
      stepsDone,
      firstRows: await firstRows(rows, config, tokenizer, stepsDone * rowsPerStep, shownRows),
    };
  } finally {
    data.close();
    heldOut?.close();
    tasks?.dispose();
    loaded.model.dispose();
    teacher?.model.dispose();
  }
}

async function firstRows(
  rows: RowSource,
  { seed, data }: TrainConfig,
  tokenizer: Tokenizer,
  from: number,
  count: number,
): Promise<string[]> {
  const order = new RowOrder(rows.rowCount, { seed, shuffle: data.shuffle, phases: rows.phases });
  const shown: string[] = [];
  for (let position = from; position < from + count; position++) {
    const index = order.rowAt(position);
    shown.push(`row ${index}: ${rowText(await rows.read(index), tokenizer)}`);
  }
  return shown;
}

/** Control characters spelt out; learned text within ⟦ ⟧. */
function rowText({ ids, lossMask }: Row, tokenizer: Tokenizer): string {
  const stream = tokenizer.createDecodeStream();
  let text = '';
  let isLearned = false;
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index] ?? 0;
    const learns = lossMask[index] === 1;
    if (learns !== isLearned) text += learns ? '⟦' : '⟧';
    isLearned = learns;
    const piece = stream.push(id);
    text += piece === '' && tokenizer.tokenBytes(id) === undefined ? tokenizer.idToToken(id) : piece;
  }
  text += stream.end() + (isLearned ? '⟧' : '');
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => JSON.stringify(character).slice(1, -1));
}
