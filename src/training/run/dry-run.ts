/** A run up to its first step: everything is read and checked, nothing is written, nothing is learned. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Row, RowOrder, type RowSource } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { loadModelTokenizer } from '../../models/index.js';
import { prepareEngine } from '../../tensor/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { CheckpointStore, openCheckpointFolder } from '../checkpoints/checkpoint-store.js';
import { refuseOtherRun } from './run.js';
import { checkRun } from './run-checks.js';
import type { TrainConfig } from './run-config.js';
import { createRunModel } from './run-model.js';
import { readRunRows } from './run-rows.js';

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
}

/** @throws InputError for whatever `runTraining` would refuse before it writes */
export async function dryRun(
  config: TrainConfig,
  { resume, shownRows = 2 }: DryRunOptions = {},
): Promise<DryRun> {
  const { output, model, training, data: dataConfig } = config;
  const stepsDone = resume === undefined ? refuseOtherRun(output) : stepOf(config, resume);
  const tokenizerPath = model.tokenizer ?? model.path;
  if (tokenizerPath === undefined)
    throw new InputError('model.tokenizer is missing; a new model needs a tokenizer file or folder.');
  if (model.adapter !== undefined && fileStatus(model.adapter) === undefined)
    throw new InputError(`${model.adapter}: there is no such adapter.`);
  prepareEngine(config.threads === undefined ? {} : { threads: config.threads });
  const loaded = createRunModel(config);
  try {
    const { architecture } = loaded;
    const tokenizer = loadModelTokenizer(architecture, tokenizerPath);
    const { rows } = await readRunRows(dataConfig, architecture, tokenizer);
    const heldOut =
      config.evaluation === undefined
        ? undefined
        : await readRunRows(config.evaluation, architecture, tokenizer);
    checkRun(config, loaded, rows);
    const rowsPerStep = training.micro_batch_size * training.gradient_accumulation_steps;
    const steps =
      training.steps ?? Math.max(1, Math.ceil(((training.epochs ?? 1) * rows.rowCount) / rowsPerStep));
    return {
      config: stringify(config),
      steps,
      rowsPerStep,
      rows: rows.rowCount,
      heldOutRows: heldOut?.rows.rowCount,
      stepsDone: stepsDone ?? 0,
      firstRows: firstRows(rows, config, tokenizer, (stepsDone ?? 0) * rowsPerStep, shownRows),
    };
  } finally {
    loaded.model.dispose();
  }
}

function stepOf({ output, checkpoints }: TrainConfig, resume: string): number {
  if (resume !== 'auto') return openCheckpointFolder(resume).step;
  const store = new CheckpointStore(join(output, 'checkpoints'), {
    keepLast: checkpoints.keep_last,
    keepEvery: checkpoints.keep_every,
    async: false,
  });
  return store.newest().manifest.step;
}

function firstRows(
  rows: RowSource,
  { seed, data }: TrainConfig,
  tokenizer: Tokenizer,
  from: number,
  count: number,
): string[] {
  const order = new RowOrder(rows.rowCount, { seed, shuffle: data.shuffle, phases: rows.phases });
  return Array.from({ length: count }, (_, place) => {
    const index = order.rowAt(from + place);
    return `row ${index}: ${rowText(rows.row(index), tokenizer)}`;
  });
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
