/** The present state of a run in Prometheus' text form (exposition format 0.0.4). */
import type { EvaluationRecord, RunObserver, StepRecord, TaskScoresRecord } from './observer.js';
import { remainingSeconds } from './remaining-seconds.js';

export interface PrometheusMetrics extends RunObserver {
  /** One family of lines for each value that is known by now. */
  text(): string;
}

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Kind = 'gauge' | 'counter';

export function prometheus(): PrometheusMetrics {
  let last: StepRecord | undefined;
  let evaluation: EvaluationRecord | undefined;
  let tasks: TaskScoresRecord | undefined;
  let best: number | undefined;
  let skipped = 0;
  let running = 1;
  const remaining = remainingSeconds();
  let secondsLeft: number | undefined;
  return {
    step(record) {
      last = record;
      if (record.skipped === true) skipped += 1;
      secondsLeft = remaining(record);
    },
    evaluation(record) {
      evaluation = record;
      if (record.isBest) best = record.loss;
    },
    taskScores(record) {
      tasks = record;
    },
    close() {
      running = 0;
    },
    text() {
      const lines = new Lines();
      lines.add('running', 'gauge', '1 while the run goes on', running);
      if (last !== undefined) addStep(lines, last);
      if (last !== undefined) lines.add('skipped_steps_total', 'counter', 'Steps not applied', skipped);
      lines.add('remaining_seconds', 'gauge', 'Estimated time to the last step', secondsLeft);
      lines.add('evaluation_step', 'gauge', 'Step of the last evaluation', evaluation?.step);
      lines.add('evaluation_loss', 'gauge', 'Loss on held-out rows', evaluation?.loss);
      lines.add('evaluation_perplexity', 'gauge', 'Perplexity on held-out rows', evaluation?.perplexity);
      addMetrics(lines, 'evaluation_', evaluation?.metrics);
      lines.add('evaluation_best_loss', 'gauge', 'Lowest loss on held-out rows', best);
      lines.add('task_scores_step', 'gauge', 'Step of the last measurement of tasks', tasks?.step);
      lines.addTaskScores(tasks?.scores ?? []);
      return lines.text;
    },
  };
}

function addStep(lines: Lines, record: StepRecord): void {
  lines.add('step', 'gauge', 'Optimiser steps done', record.step);
  lines.add('steps', 'gauge', 'Optimiser steps of the whole run', record.totalSteps);
  lines.add('loss', 'gauge', 'Mean loss over the learned tokens of the last step', record.loss);
  lines.add('grad_norm', 'gauge', 'Global gradient norm before clipping', record.gradNorm);
  lines.add('learning_rate', 'gauge', 'Learning rate of the last step', record.learningRate);
  addMetrics(lines, '', record.metrics);
  lines.add('loss_scale', 'gauge', 'Factor on the loss in float16', record.lossScale);
  lines.add('tokens_total', 'counter', 'Tokens read, padding apart', record.tokens);
  lines.add('rows_total', 'counter', 'Rows taken', record.rows);
  lines.add('tokens_per_second', 'gauge', 'Tokens read in a second of the last step', record.tokensPerSecond);
  lines.add(
    'model_flops_utilisation_ratio',
    'gauge',
    "Share of the device's measured peak, 0 to 1",
    record.modelFlopsUtilisation,
  );
  lines.add('memory_bytes', 'gauge', 'Resident memory', record.memoryBytes);
  lines.add('peak_memory_bytes', 'gauge', 'Highest resident memory so far', record.peakMemoryBytes);
  lines.add('elapsed_seconds', 'gauge', 'Time since this process began to train', record.elapsedSeconds);
  lines.addByPhase('phase_seconds', 'Time of the last step by phase', record.phaseSeconds);
}

/** rewards/chosen is rewards_chosen there. */
function addMetrics(lines: Lines, prefix: string, metrics: StepRecord['metrics'] = {}): void {
  for (const [name, value] of Object.entries(metrics))
    lines.add(`${prefix}${name.replaceAll('/', '_')}`, 'gauge', `Mean of ${name}, as TRL names it`, value);
}

class Lines {
  text = '';

  add(name: string, kind: Kind, help: string, value: number | undefined): void {
    if (value === undefined) return;
    this.text += `${head(name, kind, help)}xinghe_training_${name} ${formatValue(value)}\n`;
  }

  addTaskScores(scores: TaskScoresRecord['scores']): void {
    const known = scores.flatMap(({ task, metric, score }) =>
      score === null ? [] : [{ task, metric, score }],
    );
    if (known.length === 0) return;
    this.text += head('task_score', 'gauge', 'Score of an evaluation task, 0 to 1 (bits_per_byte: bits)');
    for (const { task, metric, score } of known)
      this.text += `xinghe_training_task_score{task="${escapeLabel(task)}",metric="${escapeLabel(metric)}"} ${formatValue(score)}\n`;
  }

  addByPhase(name: string, help: string, values: Readonly<Record<string, number>>): void {
    const entries = Object.entries(values);
    if (entries.length === 0) return;
    this.text += head(name, 'gauge', help);
    for (const [phase, value] of entries)
      this.text += `xinghe_training_${name}{phase="${escapeLabel(phase)}"} ${formatValue(value)}\n`;
  }
}

function head(name: string, kind: Kind, help: string): string {
  return `# HELP xinghe_training_${name} ${help}\n# TYPE xinghe_training_${name} ${kind}\n`;
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
