/** What the training loop is given, what it asks of others, and what it returns. */
import type { LoraLinear } from '../../lora/index.js';
import type { CausalLm } from '../../models/index.js';
import type { RunRanks } from '../parallel/run-ranks.js';
import type { TrainingSettings } from '../step/training-settings.js';
import type { EvaluationRecord, RunObserver } from '../watch/observer.js';
import type { FlopsBudget } from './flops-utilisation.js';
import type { HeldOut } from './held-out.js';
import type { LossPoint } from './loss-picture.js';
import type { RunParts } from './run-parts.js';
import type { RunProgress } from './run-state.js';
import type { TaskEvaluator } from './task-evaluation.js';

/** A run that is through. */
export interface TrainingResult {
  /** Of every step. */
  readonly losses: readonly LossPoint[];
  /** Measurements on held-out rows. */
  readonly evaluations: readonly EvaluationRecord[];
  /** Of the steps. */
  readonly seconds: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Steps that were left out because they were not finite. */
  readonly skippedSteps: number;
  /** Where the run stands; what a checkpoint keeps. */
  readonly progress: RunProgress;
}

export interface TrainingLoopOptions {
  readonly training: TrainingSettings;
  /** Existing folder for loss.svg and bad-rows.jsonl. */
  readonly output: string;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Read each text of a packed row on its own. */
  readonly documentAttention: boolean;
  /** Shown in the progress line. */
  readonly label: string;
  /** Trained instead of the weights. */
  readonly adapters?: ReadonlyMap<string, LoraLinear> | undefined;
  /** Learning rate of a parameter, by own path, as a multiple of the schedule's. Default 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number> | undefined;
  /** Whose distribution is learned, by the objective distillation. */
  readonly teacher?: CausalLm | undefined;
  readonly observers?: readonly RunObserver[];
  readonly evaluation?: HeldOut | undefined;
  /** Evaluation tasks, and the steps between their measurements. */
  readonly tasks?: { readonly evaluator: TaskEvaluator; readonly every: number } | undefined;
  readonly checkpoints?: Checkpointer | undefined;
  /** Arithmetic of one token in the forward and backward pass, and the device's peak, for the utilisation. */
  readonly flops?: FlopsBudget | undefined;
  /** The ranks that share the run. Default: this process alone. */
  readonly ranks?: RunRanks | undefined;
  /** Called after each evaluation. */
  readonly onEvaluation?: (record: EvaluationRecord) => void;
}

/** What the loop asks of whoever keeps its checkpoints. */
export interface Checkpointer {
  /** Steps between checkpoints; 0: only the last one, and one when a signal ends the run. */
  readonly every: number;
  save(progress: RunProgress, parts: RunParts, reason: SaveReason): Promise<void>;
  /** Puts back the state of a checkpoint: the one to resume from, or the newest. undefined: there is none. */
  restore(parts: RunParts, which: 'start' | 'newest'): Promise<RunProgress | undefined>;
}

/** due: by the number of steps; best: the lowest evaluation loss so far; last: the run is through. */
export type SaveReason = 'due' | 'best' | 'last' | 'interrupted';
