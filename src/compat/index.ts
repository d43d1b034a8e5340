/** Configurations of the published suites as ours. */
export {
  type DeepspeedArguments,
  type DeepspeedConfig,
  loadDeepspeedConfig,
} from './deepspeed/load-deepspeed-config.js';
export { checkTrainInput, type ImportedRun, type MissingValue, refuseMissing } from './imported-run.js';
export { describeIgnored, type IgnoredKey } from './key-tree.js';
export {
  loadTrainingConfig,
  notesOf,
  parseTrainingConfig,
  type TrainingConfig,
} from './load-training-config.js';
export type { PublishedGeneration } from './mindformers/generation-section.js';
export {
  isPublishedRun,
  loadPublishedRun,
  type PublishedRun,
  type PublishedRunOptions,
} from './mindformers/load-published-run.js';
export type { PublishedLayout } from './mindformers/parallel-layout.js';
export { RUN_MODES, type RunMode } from './mindformers/published-schema.js';
export { type RunOptionValues, readRunOptions } from './mindformers/run-options.js';
export { loadScript, readScript, type ScriptRun } from './scripts/load-script.js';
