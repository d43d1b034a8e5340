export { Cleaner, type CleanOptions, cleanSamples, cleanSparkText } from './clean/index.js';
export {
  ContaminationCheck,
  type ContaminationHit,
  type ContaminationOptions,
  type ContaminationSetReport,
  checkContamination,
} from './contamination/index.js';
export type { Dataset } from './dataset/dataset.js';
export { type MergeReport, mergeDatasets } from './dataset/merge-datasets.js';
export { datasetsOf, mindRecordSetsIn } from './dataset/mindrecord-sets.js';
export { openDataset } from './dataset/open-dataset.js';
export { type PackedRow, type RowOrigin, rowPositions } from './dataset/row.js';
export {
  type RowBatch,
  RowLoader,
  type RowLoaderOptions,
  type RowLoaderState,
} from './dataset/row-loader.js';
export {
  type Duplicate,
  dropExactDuplicates,
  dropNearDuplicates,
  type NearDuplicateOptions,
} from './deduplicate/index.js';
export { type FormFaultReason, SAMPLE_FORMS, type SampleForm } from './forms/index.js';
export { type IdsFile, readIdsFile } from './ids-file.js';
export { renderDatasetText, rowsOfStep } from './inspect/dataset-text.js';
export { renderRowHtml } from './inspect/row-html.js';
export { renderRowText } from './inspect/row-text.js';
export { type RowView, viewRow } from './inspect/row-view.js';
export { encodeAnswer, type PromptedAnswer } from './preference/encode-answer.js';
export type { PreferenceRecord } from './preference/preference-record.js';
export { type ReadPreferencesOptions, readPreferences } from './preference/read-preferences.js';
export { prepareDataset } from './prepare/prepare-dataset.js';
export type { PrepareOptions } from './prepare/prepare-options.js';
export { packings, type RecipeName, recipeNames, recipes, tokenizerOptions } from './prepare/recipes.js';
export { type ReadSamplesOptions, readSamples } from './read-samples.js';
export type { PrepareReport, RowCounts } from './report.js';
export { renderReportText } from './report-text.js';
export { RowOrder } from './row-order.js';
export {
  type Comparison,
  concatenateDocuments,
  type PackResult,
  packSamples,
  type Row,
  type RowSource,
  rowsInMemory,
  separateSamples,
  sequencesOf,
} from './rows.js';
export {
  type DialogueSample,
  locationOf,
  mapSampleTexts,
  type Sample,
  type SampleOrigin,
  type SkippedRecord,
  sampleTexts,
  type TextSample,
} from './sample.js';
export { type SkipReason, SkipReport } from './skip-report.js';
export { UnreadKeys, unreadKeysText } from './unread-keys.js';
