export { loadAdapter, saveAdapter } from './adapter.js';
export { type LoadWeightsOptions, loadWeights } from './load-weights.js';
export { type NameRow, NameTable, type NameTableOptions } from './name-table.js';
export { publishedLayer, publishedParameters } from './published-parameters.js';
export { saveWeights } from './save-weights.js';
