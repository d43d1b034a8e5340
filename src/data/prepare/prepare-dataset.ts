/**
 * From records to rows on disk, in three stages of bounded memory: samples are encoded on several threads into a
 * temporary store; rows are planned from their lengths alone; rows are written from the store.
 */
import { linkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { InputError, Interruption } from '../../errors/index.js';
import { fileStatus, writeFileAtomic, writeFolderAtomic } from '../../formats/index.js';
import { log, Progress } from '../../log/index.js';
import type { DatasetIndex } from '../dataset/dataset-index.js';
import { MINDRECORD_SUFFIX } from '../dataset/mindrecord-rows.js';
import { SIDE_FOLDER_SUFFIX } from '../dataset/open-dataset.js';
import { type WriteDatasetOptions, writeDataset } from '../dataset/write-dataset.js';
import type { RowPlan } from '../packing/row-plan.js';
import type { PrepareReport } from '../report.js';
import { summarizeLengths } from '../report-lengths.js';
import { renderLengthsSvg } from '../report-svg.js';
import { unreadKeysText } from '../unread-keys.js';
import { describeDataset } from './describe-dataset.js';
import { countsOf, describePhases } from './describe-draws.js';
import { encodeSamples } from './encode-stage.js';
import { hashSource } from './file-hash.js';
import { misfit, planPhase } from './plan-phase.js';
import { PlanSource } from './plan-source.js';
import { checkPrepareOptions, type PrepareJob, type PrepareOptions } from './prepare-options.js';
import { SampleStore } from './sample-store.js';
import { SampleStream } from './sample-stream.js';
import { type Candidates, selectSamples, shuffleSamples, splitValidation } from './select-samples.js';
import { SkipLog } from './skip-log.js';

export const REPORT_FILE = 'report.json';
export const LENGTHS_FILE = 'lengths.svg';
/** Folder of the validation rows, a dataset of its own. */
export const VALIDATION_FOLDER = 'validation';

/**
 * Writes a dataset folder: index.json, rows, skipped.jsonl, report.json, lengths.svg and, if asked for, validation/. An
 * output named *.mindrecord is that file, with its .db, and the folder beside it as *.mindrecord.info.
 * The same options and files give the same bytes, whatever the number of threads.
 * @throws InputError for options that do not go together (before any work) and for faulty records (unless skipped);
 *   InterruptedError after SIGINT or SIGTERM. Nothing is left behind then.
 */
export async function prepareDataset(options: PrepareOptions): Promise<PrepareReport> {
  const job = checkPrepareOptions(options);
  const { output, overwrite = false } = options;
  const file = output.endsWith(MINDRECORD_SUFFIX) ? basename(output) : undefined;
  if (file !== undefined) refuseExistingFile(output, overwrite);
  const interruption = new Interruption();
  try {
    const report = await writeFolderAtomic(
      file === undefined ? output : output + SIDE_FOLDER_SUFFIX,
      (folder) => fillFolder(folder, job, interruption, file),
      { replace: overwrite },
    );
    if (file !== undefined) linkBeside(output, file);
    return report;
  } finally {
    interruption.dispose();
  }
}

function refuseExistingFile(output: string, overwrite: boolean): void {
  const status = fileStatus(output);
  if (status === undefined || (overwrite && status.isFile())) return;
  throw new InputError(
    `${output} is there already; name another output${status.isFile() ? ', or exchange it with --overwrite' : ''}.`,
  );
}

/** The file that was asked for, and its index, are the very files of the folder beside them. */
function linkBeside(output: string, file: string): void {
  for (const suffix of ['.db', '']) {
    rmSync(output + suffix, { force: true });
    linkSync(join(output + SIDE_FOLDER_SUFFIX, file + suffix), output + suffix);
  }
}

const stoppedBy = (signal: NodeJS.Signals): string =>
  `preparation of data: stopped by ${signal}; nothing was written`;

async function fillFolder(
  folder: string,
  job: PrepareJob,
  interruption: Interruption,
  fileName: string | undefined,
): Promise<PrepareReport> {
  const { options, inputs, mixture, seed } = job;
  const sources = Promise.all(inputs.map(hashSource));
  // Awaited below; until then a failure must not count as unhandled.
  sources.catch(() => {});
  const skips = new SkipLog(folder);
  const stream = new SampleStream(job, skips);
  const store = new SampleStore(join(folder, '.samples'));
  try {
    await encode(job, stream, store, skips, interruption);
    const fitting = fittingSamples(store, job, skips);
    const candidates: Candidates = {
      samples: fitting,
      lengths: store.lengths,
      files: store.files,
      lines: store.lines,
    };
    const split = splitValidation(candidates, job.validation, seed);
    const train = {
      ...candidates,
      samples: options.shuffle ? shuffleSamples(split.train, seed) : split.train,
    };
    const parts = options.shard?.count ?? 1;
    const { phases } = selectSamples(train, mixture, { seed, parts, inputs });
    const used = noteNotDrawn(split.train, phases, store, job, skips);
    if (used === 0) throw nothingLeft(store, skips);

    const plans = phases.map((draws) => planPhase(draws, store, job));
    const describe = describeDataset(job, await sources);
    const index = await writeRows(
      folder,
      plans,
      { ...describe, split: 'train' },
      store,
      job,
      interruption,
      fileName,
    );
    let validation: DatasetIndex | undefined;
    if (split.validation.length > 0) {
      const plan = planPhase(split.validation, store, job);
      const validationFolder = join(folder, VALIDATION_FOLDER);
      validation = await writeRows(
        validationFolder,
        [plan],
        { ...describe, split: 'validation' },
        store,
        job,
        interruption,
      );
    }
    const skipped = skips.finish();
    const report: PrepareReport = {
      recipe: options.recipe,
      packing: job.packing,
      seqLength: options.seqLength,
      rowLength: job.rowLength,
      shard: describe.shard,
      train: countsOf(index),
      validation: validation === undefined ? undefined : countsOf(validation),
      samples: { read: stream.read, encoded: store.count, used, validation: split.validation.length },
      skipped: { total: skipped.total, reasons: skipped.reasons() },
      unreadKeys: stream.unreadKeys.list(),
      lengths: summarizeLengths(store.lengths),
      phases: describePhases(phases, plans, split.train, store, job),
      duplicates: options.deduplicate === undefined ? undefined : stream.duplicates,
      contamination: stream.contamination,
    };
    if (report.unreadKeys.length > 0)
      log(`keys of the records that are not read: ${unreadKeysText(report.unreadKeys)}`);
    writeFileAtomic(join(folder, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
    writeFileAtomic(join(folder, LENGTHS_FILE), renderLengthsSvg(report.lengths, job.rowLength));
    return report;
  } finally {
    store.dispose();
  }
}

async function encode(
  { options, inputs, recipe, packing }: PrepareJob,
  stream: SampleStream,
  store: SampleStore,
  skips: SkipLog,
  interruption: Interruption,
): Promise<void> {
  const progress = new Progress({ label: 'encoding', unit: 'sample' });
  await encodeSamples(stream.samples(), store, {
    setup: {
      tokenizer: options.tokenizer,
      recipe: options.recipe,
      answers: options.answers,
      parsesSpecial: options.parsesSpecial,
      chatTemplate: options.chatTemplate,
      templateValues: options.templateValues,
      // The published measure is that of the family's own format.
      countsLines: recipe.minPadding > 0 && packing === 'first-fit' && options.chatTemplate === undefined,
    },
    workers: options.workers,
    fileNumbers: new Map(inputs.map((input, number) => [input, number])),
    onError: options.onError ?? 'stop',
    onSkip: (skipped) => skips.add('encode', skipped),
    onProgress: (samples) => {
      interruption.check(stoppedBy);
      progress.update(samples);
    },
  });
  progress.finish();
}

/** Samples that have tokens and that a row can hold; the others are listed. */
function fittingSamples(store: SampleStore, job: PrepareJob, skips: SkipLog): Uint32Array {
  const { lengths, files, lines } = store;
  const all = Uint32Array.from({ length: store.count }, (_, sample) => sample);
  return all.filter((sample) => {
    if (lengths[sample] === 0) return false;
    const problem = misfit(sample, store, job);
    if (problem === undefined) return true;
    const file = job.inputs[files[sample]!]!;
    const line = lines[sample]!;
    skips.add('too long', {
      file,
      line,
      reason: 'longer than a row',
      message: `${file}:${line}: ${problem}`,
    });
    return false;
  });
}

/** Lists the samples that the mixture did not draw. @returns how many it did */
function noteNotDrawn(
  samples: Uint32Array,
  phases: readonly Uint32Array[],
  store: SampleStore,
  job: PrepareJob,
  skips: SkipLog,
): number {
  const drawn = new Uint8Array(store.count);
  for (const draws of phases) for (const sample of draws) drawn[sample] = 1;
  let used = 0;
  for (const sample of samples) {
    used += drawn[sample]!;
    if (drawn[sample] === 1) continue;
    const file = job.inputs[store.files[sample]!]!;
    const line = store.lines[sample]!;
    const message = `${file}:${line}: not drawn by the weights`;
    skips.add('not drawn', { file, line, reason: 'not drawn', message });
  }
  return used;
}

function nothingLeft(store: SampleStore, skips: SkipLog): InputError {
  const reasons = skips
    .finish()
    .reasons()
    .map(({ reason, count, examples }) => `${count} ${reason} (${examples[0]?.message ?? ''})`);
  return new InputError(
    `No sample is left to make rows of: ${store.count} were encoded` +
      `${reasons.length === 0 ? '; the input files are empty' : `; left out: ${reasons.join('; ')}`}.`,
  );
}

async function writeRows(
  folder: string,
  plans: readonly RowPlan[],
  describe: WriteDatasetOptions['describe'],
  store: SampleStore,
  { rowLength, padding, options }: PrepareJob,
  interruption: Interruption,
  fileName?: string,
): Promise<DatasetIndex> {
  const total = plans.reduce((sum, { rowCount }) => sum + rowCount, 0);
  const progress = new Progress({ label: `writing ${describe.split} rows`, unit: 'row', total });
  const index = await writeDataset(folder, {
    phases: plans.map((plan) => new PlanSource(plan, store, rowLength, padding)),
    describe,
    fileName,
    fileBytes: options.fileBytes,
    onProgress: async (rows) => {
      progress.update(rows);
      await setImmediate(); // Lets signals in.
      interruption.check(stoppedBy);
    },
  });
  progress.finish();
  return index;
}
