/**
 * What the model said before training: the log-probability of every answer, computed once and kept beside the run, so that
 * no second model is held in memory and a second run on the same data and model need not compute them.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Row, RowSource } from '../../data/index.js';
import { messageOf } from '../../errors/index.js';
import { fileStatus, openSafetensorsModel, readTensorBytes, writeSafetensors } from '../../formats/index.js';
import { formatDuration, log } from '../../log/index.js';
import { withoutAdapters } from '../../lora/index.js';
import type { CausalLm, LoadedModel } from '../../models/index.js';
import { noGrad, scope, setLinearRoute } from '../../tensor/index.js';
import { needsReference } from '../objective/objective-config.js';
import { answerLogProbs, arrangeSequences, sequencesInTurn } from '../objective/sequence-batch.js';
import { modelOutput } from '../step/segments.js';
import type { CheckpointedRun } from './checkpointer.js';

/** Beside the folder of a run. */
const FOLDER = 'reference-log-probs';
const TENSOR = 'log_probs';
const REPORT_MILLISECONDS = 30_000;

interface ReferenceOptions {
  /** Folder of the run. */
  readonly output: string;
  /** Rows in one forward pass. */
  readonly batchSize: number;
  /** For messages: "training", "evaluation". */
  readonly label: string;
}

/** The rows as the objective of a run needs them. Call it before training, and before a checkpoint is restored. */
export async function referencedRows(
  { config: { output, training }, loaded, start, ranks }: CheckpointedRun,
  rows: RowSource,
  label: string,
): Promise<RowSource> {
  if (training.objective === undefined || !needsReference(training.objective)) return rows;
  // The products of the first start, where the reference has to be computed again.
  if (start !== undefined) setLinearRoute(start.manifest.engine.linearRoute);
  const compute = () => withReference(rows, loaded, { output, batchSize: training.micro_batch_size, label });
  // The others find what rank 0 has kept.
  return (await ranks?.first(compute)) ?? compute();
}

/** The same rows with the log-probabilities of the model as it is now, its adapters left out. */
async function withReference(
  rows: RowSource,
  { model, architecture }: LoadedModel,
  { output, batchSize, label }: ReferenceOptions,
): Promise<RowSource> {
  const key = await keyOf(rows, model);
  const path = join(dirname(output), FOLDER, `${key}.safetensors`);
  const kept = readKept(path, rows.rowCount);
  if (kept !== undefined) log(`${label}: log-probabilities of the reference taken from ${path}`);
  const logProbs =
    kept ?? (await compute(rows, model, { batchSize, label, padTokenId: architecture.padTokenId ?? 0 }));
  if (kept === undefined) keep(path, logProbs);
  return {
    ...rows,
    async read(index) {
      const row = await rows.read(index);
      return { ...row, comparison: { ...row.comparison, referenceLogProbs: logProbs[index] ?? [] } };
    },
  };
}

async function compute(
  rows: RowSource,
  model: CausalLm,
  {
    batchSize,
    label,
    padTokenId,
  }: { readonly batchSize: number; readonly label: string; readonly padTokenId: number },
): Promise<number[][]> {
  const started = performance.now();
  let reported = started;
  const logProbs: number[][] = [];
  for (let start = 0; start < rows.rowCount; start += batchSize) {
    const size = Math.min(batchSize, rows.rowCount - start);
    const batch = await Promise.all(
      Array.from({ length: size }, async (_, place) => rows.read(start + place)),
    );
    logProbs.push(...withoutAdapters(model, () => measure(model, batch, padTokenId)));
    await setImmediate();
    const now = performance.now();
    if (now - reported < REPORT_MILLISECONDS) continue;
    reported = now;
    log(`${label}: log-probabilities of the reference, ${logProbs.length} of ${rows.rowCount} rows`);
  }
  log(
    `${label}: log-probabilities of the reference for ${rows.rowCount} rows in ${formatDuration((performance.now() - started) / 1000)}`,
  );
  return logProbs;
}

/** By row, then by sequence. */
function measure(model: CausalLm, rows: readonly Row[], padTokenId: number): number[][] {
  const batch = arrangeSequences(sequencesInTurn(rows), padTokenId);
  const flat = scope(() =>
    noGrad(() => {
      const tensors = batch.tensors(model);
      return answerLogProbs(modelOutput(model, tensors), tensors).toArray();
    }),
  );
  const turns = flat.length / rows.length;
  return rows.map((_, row) =>
    Array.from({ length: turns }, (_unused, turn) => flat[turn * rows.length + row] ?? Number.NaN),
  );
}

/** SHA-256 over all ids and masks, and over the weights without adapters. */
async function keyOf(rows: RowSource, model: CausalLm): Promise<string> {
  const hash = createHash('sha256');
  for (let index = 0; index < rows.rowCount; index++) {
    const { ids, lossMask, documents = [] } = await rows.read(index);
    hash.update(Int32Array.of(ids.length, documents.length, ...documents));
    hash.update(Int32Array.from(ids));
    hash.update(Uint8Array.from(lossMask));
  }
  for (const [path, parameter] of model.namedParameters()) {
    if (/\.lora(A|B|Magnitude|Bias)$/.test(path)) continue;
    hash.update(`${path} ${parameter.dtype} ${parameter.shape.join()}\n`);
    hash.update(parameter.toBytes());
    await setImmediate();
  }
  return hash.digest('hex');
}

/** undefined where there is none, or none that can be read. */
function readKept(path: string, rowCount: number): number[][] | undefined {
  if (fileStatus(path) === undefined) return undefined;
  try {
    const entry = openSafetensorsModel(path).tensors.get(TENSOR);
    const [rows = 0, turns = 0] = entry?.shape ?? [];
    if (entry?.dtype !== 'float64' || rows !== rowCount) throw new Error('other rows');
    const range = { path: entry.file, start: entry.byteStart, end: entry.byteEnd };
    const bytes = Uint8Array.from(readTensorBytes({ ...entry, ranges: [range] }));
    const values = new Float64Array(bytes.buffer);
    return Array.from({ length: rows }, (_, row) => [...values.subarray(row * turns, (row + 1) * turns)]);
  } catch (error) {
    log(`warning: ${path} is not readable (${messageOf(error)}); it is computed again`);
    return undefined;
  }
}

/** A disk that does not take it is a warning: the next run computes them again. */
function keep(path: string, logProbs: readonly (readonly number[])[]): void {
  const values = Float64Array.from(logProbs.flat());
  const shape = [logProbs.length, logProbs[0]?.length ?? 0];
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeSafetensors(path, [
      { name: TENSOR, dtype: 'float64', shape, bytes: () => new Uint8Array(values.buffer) },
    ]);
    log(`log-probabilities of the reference are kept in ${path}`);
  } catch (error) {
    log(`warning: ${path} could not be written: ${messageOf(error)}`);
  }
}
