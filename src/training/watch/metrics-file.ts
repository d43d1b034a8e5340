/** metrics.jsonl: one line a step, one line an evaluation, one line a measurement of tasks. */
import { readFileSync } from 'node:fs';
import { fileStatus, writeFileAtomic } from '../../formats/index.js';
import { AppendFile } from './append-file.js';
import { EVALUATION_PREFIX } from './objective-metrics.js';
import type { EvaluationRecord, RunObserver, StepRecord, TaskScoresRecord } from './observer.js';

export interface ResumeOptions {
  /** The last step of the run that is taken up again; what was recorded of later ones is dropped. */
  readonly resumedAfter?: number | undefined;
}

/**
 * Appends to `path`, each line as its step ends. Values that are not finite are null. A line that a full disk does
 * not take is left out, with one warning.
 * @throws InputError if the file cannot be written
 */
export function metricsFile(path: string, { resumedAfter }: ResumeOptions = {}): RunObserver {
  if (resumedAfter !== undefined && fileStatus(path) !== undefined) cutAfter(path, resumedAfter);
  const file = new AppendFile(path);
  return {
    step: (record) => file.append(`${JSON.stringify(stepLine(record))}\n`),
    evaluation: (record) => file.append(`${JSON.stringify(evaluationLine(record))}\n`),
    taskScores: (record) => file.append(`${JSON.stringify(taskScoresLine(record))}\n`),
    close: () => file.close(),
  };
}

/** The keys of a step's line; what is undefined is left away. */
export function stepLine(record: StepRecord): Record<string, unknown> {
  return {
    step: record.step,
    loss: record.loss,
    grad_norm: record.gradNorm,
    learning_rate: record.learningRate,
    ...record.metrics,
    tokens: record.tokens,
    learned_tokens: record.learnedTokens,
    rows: record.rows,
    tokens_per_second: record.tokensPerSecond,
    mfu: record.modelFlopsUtilisation,
    memory_bytes: record.memoryBytes,
    peak_memory_bytes: record.peakMemoryBytes,
    phase_seconds: record.phaseSeconds,
    elapsed_seconds: record.elapsedSeconds,
    loss_scale: record.lossScale,
    skipped: record.skipped,
  };
}

export function evaluationLine(record: EvaluationRecord): Record<string, unknown> {
  return {
    step: record.step,
    eval_loss: record.loss,
    perplexity: record.perplexity,
    ...prefixed(record.metrics),
    eval_tokens: record.tokens,
    eval_seconds: record.seconds,
    is_best: record.isBest,
  };
}

export function taskScoresLine({ step, scores, seconds }: TaskScoresRecord): Record<string, unknown> {
  return { step, task_scores: scores, task_seconds: seconds };
}

/** As TRL writes them: eval_rewards/chosen. */
function prefixed(metrics: EvaluationRecord['metrics'] = {}): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [`${EVALUATION_PREFIX}${name}`, value]),
  );
}

/** Drops lines of later steps, and a last one that a killed run left half-written. */
function cutAfter(path: string, step: number): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  const kept = lines.filter((line) => {
    const found = stepOf(line);
    return found !== undefined && found <= step;
  });
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
}

function stepOf(line: string): number | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('step' in value)) return undefined;
    return typeof value.step === 'number' ? value.step : undefined;
  } catch {
    return undefined;
  }
}
