export { loadAdapter, saveAdapter } from './adapter.js';
export { type LoadWeightsOptions, loadWeights } from './load-weights.js';
export { countKnown, type ModelTensors, sortTensors } from './model-tensors.js';
export { type FusedRow, type NameScheme, nameScheme, OWN_NAMES, type OwnTensors } from './name-scheme.js';
export { type NameRow, NameTable, type NameTableOptions } from './name-table.js';
export {
  DEFAULT_SHARD_THRESHOLD,
  joinRanks,
  type ParallelLayout,
  rankCount,
  tensorsOfRank,
} from './parallel-layout.js';
export { publishedLayer, publishedParameters } from './published-parameters.js';
export { saveWeights } from './save-weights.js';
export { ShardingTable, type Split } from './sharding-table.js';
export { NAME_DIALECTS, type NameDialect, type WeightTables } from './weight-tables.js';
