export { type AdapterContent, adapterContent, loadAdapter, saveAdapter } from './adapter.js';
export { ADAPTER_CONFIG_FILE, peftConfig, readAdapterScale, readPeftConfig } from './adapter-config.js';
export { adapterFile } from './adapter-file.js';
export { parseAdapterName, parseMagnitudeName } from './adapter-names.js';
export { AdapterSet } from './adapter-set.js';
export { CONTAINER_FORMATS, type ContainerFormat, container, formatByEnding } from './containers.js';
export {
  type AdapterSpelling,
  type AdapterUpdates,
  type PlannedFile,
  type PlannedTensor,
  plannedBytes,
  planRanks,
  planShards,
  planTensors,
  type TensorRules,
} from './convert/plan.js';
export { verifyPlan, writePlan } from './convert/write-plan.js';
export { openZeroCheckpoint, type ZeroCheckpoint } from './deepspeed.js';
export { isZeroCheckpoint } from './deepspeed-files.js';
export { joinRanks } from './join-ranks.js';
export { type LoadWeightsOptions, loadWeights } from './load-weights.js';
export { countKnown, type ModelTensors, sortTensors } from './model-tensors.js';
export {
  ANY_NAMES,
  type FusedRow,
  type NameScheme,
  nameScheme,
  type OwnTensors,
  ownNames,
} from './name-scheme.js';
export { layerPattern, type NameRow, NameTable, type NameTableOptions, withLayer } from './name-table.js';
export { type Checkpoint, type OpenCheckpointOptions, openCheckpoint } from './open-checkpoint.js';
export { LAYOUT_FILE, openModelTensors, wholeModel } from './open-model-tensors.js';
export {
  DEFAULT_SHARD_THRESHOLD,
  type ParallelLayout,
  rankCount,
  tensorsOfRank,
} from './parallel-layout.js';
export { publishedLayer, publishedName, publishedParameters } from './published-parameters.js';
export { saveWeights } from './save-weights.js';
export { ShardingTable, type Split } from './sharding-table.js';
export { NAME_DIALECTS, type NameDialect, type WeightTables } from './weight-tables.js';
