/** What a run reports to its observers: files, TensorBoard, Prometheus, a page. */

import type { TaskScore } from '../run/task-evaluation.js';

/** One optimiser step. */
export interface StepRecord {
  /** From 1. */
  readonly step: number;
  /** Of the whole run. */
  readonly totalSteps: number;
  /** Mean over all learned tokens of the step. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  /** Of this step. */
  readonly learningRate: number;
  /** What the objective measures beside the loss, by TRL's names (rewards/chosen, …); undefined: nothing. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  /** Tokens read since the start of the run (resumed runs count on), padding apart. */
  readonly tokens: number;
  /** Tokens learned in this step. */
  readonly learnedTokens: number;
  /** Rows taken since the start of the run, over all epochs. */
  readonly rows: number;
  /** Tokens read in a second of this step. */
  readonly tokensPerSecond: number;
  /** Share of the device's measured peak that the model's arithmetic takes, 0 to 1; undefined where it is not known. */
  readonly modelFlopsUtilisation: number | undefined;
  /** Resident memory of the process now, bytes. */
  readonly memoryBytes: number;
  /** The highest so far. */
  readonly peakMemoryBytes: number;
  /** Of this step, by phase: data, forward, backward, optimizer, save, evaluation, ... */
  readonly phaseSeconds: Readonly<Record<string, number>>;
  /** Since this process began to train. */
  readonly elapsedSeconds: number;
  /** Present where the loss is scaled (float16). */
  readonly lossScale?: number | undefined;
  /** The step was not applied: its loss or gradients were not finite. */
  readonly skipped?: boolean | undefined;
}

/** A measurement on held-out rows after a step. */
export interface EvaluationRecord {
  /** Steps done by then. */
  readonly step: number;
  /** Mean over the held-out rows. */
  readonly loss: number;
  /** undefined for a loss that is no mean over tokens. */
  readonly perplexity: number | undefined;
  /** As of a step. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  /** Learned tokens of these rows. */
  readonly tokens: number;
  /** It took. */
  readonly seconds: number;
  /** The lowest loss so far. */
  readonly isBest: boolean;
}

/** What evaluation tasks scored after a step; 0: before the first one. */
export interface TaskScoresRecord {
  readonly step: number;
  readonly scores: readonly TaskScore[];
  readonly seconds: number;
}

/** Text that the model wrote during the run. */
export interface SampleRecord {
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}

/** Several as one, told in this order. */
export function joinObservers(observers: readonly RunObserver[]): RunObserver {
  return {
    step: (record) => {
      for (const observer of observers) observer.step(record);
    },
    evaluation: (record) => {
      for (const observer of observers) observer.evaluation?.(record);
    },
    taskScores: (record) => {
      for (const observer of observers) observer.taskScores?.(record);
    },
    sample: (record) => {
      for (const observer of observers) observer.sample?.(record);
    },
    close: async () => {
      for (const observer of observers) await observer.close();
    },
  };
}

/** Told of everything in order; must not throw for what it cannot deliver. */
export interface RunObserver {
  step(record: StepRecord): void;
  evaluation?(record: EvaluationRecord): void;
  taskScores?(record: TaskScoresRecord): void;
  sample?(record: SampleRecord): void;
  /** The run has ended; waits for what is still to be written. */
  close(): Promise<void> | void;
}
