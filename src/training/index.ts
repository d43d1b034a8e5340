export { isRunCheckpoint } from './checkpoints/run-checkpoint-store.js';
export { sequencesPerRow } from './objective/objective-config.js';
export { checkModelSplit } from './parallel/check-layout.js';
export { type ParallelConfig, parallelSchema } from './parallel/parallel-config.js';
export { PRECISIONS, type Precision } from './plan/byte-table.js';
export { type Communication, sentBytes } from './plan/communication.js';
export { flopsPerToken } from './plan/flops.js';
export { estimatePeakMemory, type PeakMemory } from './plan/peak-memory.js';
export { type GenerationOptions, type GenerationPlan, planGeneration } from './plan/plan-generation.js';
export { type LayoutSearch, type PlannedLayout, planLayouts } from './plan/plan-layouts.js';
export { type PlanOptions, planRun, type RunPlan } from './plan/plan-run.js';
export { type PlannedModel, plannedModel } from './plan/planned-model.js';
export { availableBytes, comparePeak, peakResidentBytes, residentBytes } from './plan/process-memory.js';
export {
  ALONE,
  layoutOfSection,
  layoutText,
  type RankLayout,
  ranksOf,
  sectionOfLayout,
} from './plan/rank-layout.js';
export { EFFICIENCY } from './plan/step-time.js';
export { type LossPlotOptions, plotLossTerminal } from './plots/loss-plot.js';
export { type LossSeries, type LossSvgOptions, renderLossSvg } from './plots/loss-svg.js';
export { type DryRun, dryRun } from './run/dry-run.js';
export type { LossPoint } from './run/loss-picture.js';
export { type MeasuredRun, measureRun } from './run/measure-run.js';
export { type RunOptions, runTraining } from './run/run.js';
export { type TrainConfig, trainConfigSchema } from './run/run-config.js';
export { isRunning } from './run/run-lock.js';
export { needsWhole } from './run/run-model.js';
export { rowsVary } from './run/run-rows.js';
export type {
  CreateTaskEvaluator,
  TaskEvaluator,
  TaskEvaluatorOptions,
  TaskScore,
} from './run/task-evaluation.js';
export type { TrainingLoopOptions, TrainingResult } from './run/train-rows-options.js';
export { runTrainingLoop } from './run/training-loop.js';
export { type TrialRun, trialRun } from './run/trial-run.js';
export { AdamW, type AdamWOptions, type OptimizedParameter } from './step/adamw.js';
export { GradientStore } from './step/gradient-store.js';
export { type LossAlignment, readsLastToken, trainingBatch } from './step/loss-weights.js';
export { computeDType } from './step/precision.js';
export { learningRateAt, type Schedule } from './step/schedule.js';
export { accumulateGradients, type Recompute, type TrainingBatch } from './step/segments.js';
export { type StepResult, Trainer, type TrainerOptions } from './step/trainer.js';
export { type TrainingSettings, trainingSettings } from './step/training-settings.js';
export { metricsFile } from './watch/metrics-file.js';
export type { EvaluationRecord, RunObserver, StepRecord } from './watch/observer.js';
export { progress } from './watch/progress.js';
export { type WatchedFolders, watchFolders } from './watch/watch-folders.js';
