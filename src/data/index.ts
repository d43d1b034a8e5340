export { Cleaner, type CleanOptions, cleanSamples, cleanSparkText } from './clean/index.js';
export {
  ContaminationCheck,
  type ContaminationHit,
  type ContaminationOptions,
  type ContaminationSetReport,
  checkContamination,
} from './contamination/index.js';
export {
  type Duplicate,
  dropExactDuplicates,
  dropNearDuplicates,
  type NearDuplicateOptions,
} from './deduplicate/index.js';
export { SAMPLE_FORMS, type SampleForm } from './forms/index.js';
export { type IdsFile, readIdsFile } from './ids-file.js';
export { type ReadSamplesOptions, readSamples } from './read-samples.js';
export { RowOrder } from './row-order.js';
export { concatenateDocuments, type PackResult, packSamples, type Row, separateSamples } from './rows.js';
export {
  type DialogueSample,
  mapSampleTexts,
  placeOf,
  type Sample,
  type SampleOrigin,
  type SkippedRecord,
  sampleTexts,
  type TextSample,
} from './sample.js';
export { type SkipReason, SkipReport } from './skip-report.js';
