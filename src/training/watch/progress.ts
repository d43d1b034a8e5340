/** The run on stderr: one line redrawn on a terminal, plain lines now and then elsewhere. */
import { formatBytes, formatCount, formatDuration, stderrStream } from '../../log/index.js';
import { metricTexts } from './objective-metrics.js';
import type { EvaluationRecord, RunObserver, StepRecord, TaskScoresRecord } from './observer.js';
import { remainingSeconds } from './remaining-seconds.js';

export interface ProgressOptions {
  /** What is being done, e.g. "training". */
  readonly label: string;
  /** Seconds between two lines where the stream is not a terminal. Default 5. */
  readonly plainInterval?: number;
  /** Default: stderr. */
  readonly stream?: ProgressStream;
}

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const TERMINAL_INTERVAL_SECONDS = 0.1;
const BAR_WIDTH = 20;
const CLEAR_LINE = '\r\u001b[K';

export function progress({ label, plainInterval = 5, stream = stderrStream }: ProgressOptions): RunObserver {
  const isTerminal = stream.isTTY === true;
  const interval = (isTerminal ? TERMINAL_INTERVAL_SECONDS : plainInterval) * 1000;
  const remaining = remainingSeconds();
  let shownAt = Number.NEGATIVE_INFINITY;
  let current = '';
  let isShown = true;
  const show = (): void => {
    isShown = true;
    stream.write(isTerminal ? `${CLEAR_LINE}${cut(current, (stream.columns ?? 100) - 1)}` : `${current}\n`);
  };
  /** A line that stays, above the one that is redrawn. */
  const tell = (line: string): void => {
    stream.write(isTerminal ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    if (isTerminal && current !== '') show();
  };
  return {
    step(record) {
      const secondsLeft = remaining(record);
      const bar = isTerminal ? `${drawBar(record.step / Math.max(record.totalSteps, 1))} ` : '';
      current = `${label} ${bar}${describe(record, secondsLeft)}`;
      isShown = false;
      if (record.skipped === true) tell(`${label}: step ${record.step} was skipped: it was not finite`);
      const now = performance.now();
      if (now - shownAt < interval) return;
      shownAt = now;
      show();
    },
    evaluation(record) {
      const best = record.isBest ? ', the best so far' : '';
      tell(`${label}: step ${record.step}: ${evaluationText(record)}${best}`);
    },
    taskScores({ step, scores }) {
      tell(`${label}: step ${step}: ${taskScoresText(scores)}`);
    },
    close() {
      if (!isShown) show();
      if (isTerminal && current !== '') stream.write('\n');
    },
  };
}

export function evaluationText({ loss, perplexity, metrics }: EvaluationRecord): string {
  return [
    `evaluation loss ${loss.toFixed(4)}`,
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toPrecision(4)}`]),
    ...metricTexts(metrics),
  ].join(', ');
}

/** The first metric of each task, with what guessing would score. */
export function taskScoresText(scores: TaskScoresRecord['scores']): string {
  const firsts = scores.filter(
    ({ task }, place) => scores.findIndex((other) => other.task === task) === place,
  );
  return firsts
    .map(({ task, metric, score, chance }) => {
      const value =
        score === null
          ? 'no score'
          : metric === 'bits_per_byte'
            ? score.toFixed(3)
            : `${(100 * score).toFixed(1)} %`;
      return `${task} ${metric} ${value}${chance === null ? '' : ` (chance ${(100 * chance).toFixed(1)} %)`}`;
    })
    .join(', ');
}

function describe(record: StepRecord, secondsLeft: number | undefined): string {
  const { step, totalSteps, loss, tokensPerSecond, modelFlopsUtilisation, memoryBytes } = record;
  return [
    `${step}/${totalSteps} steps`,
    step < totalSteps && secondsLeft !== undefined
      ? `${formatDuration(secondsLeft)} left`
      : formatDuration(record.elapsedSeconds),
    `loss ${loss.toFixed(4)}`,
    ...metricTexts(record.metrics),
    `${formatCount(tokensPerSecond)} tokens/s`,
    ...(modelFlopsUtilisation === undefined ? [] : [`MFU ${(100 * modelFlopsUtilisation).toFixed(1)} %`]),
    formatBytes(memoryBytes),
  ].join(', ');
}

function drawBar(share: number): string {
  const filled = Math.round(BAR_WIDTH * Math.min(share, 1));
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
}

/** To so many columns: a Chinese character takes two. */
function cut(text: string, columns: number): string {
  let width = 0;
  let end = 0;
  for (const character of text) {
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/u.test(
        character,
      )
        ? 2
        : 1;
    if (width > columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}
