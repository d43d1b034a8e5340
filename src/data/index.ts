export { type IdsFile, readIdsFile } from './ids-file.js';
export { type ChatForm, readDialogues, readTexts, renderDialogues } from './read-samples.js';
export { RowOrder } from './row-order.js';
export { concatenateDocuments, type PackResult, packSamples, type Row, separateSamples } from './rows.js';
