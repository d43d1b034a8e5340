export {
  ADAPTER_CONFIG_FILE,
  findAdapterConfig,
  peftConfig,
  readPeftConfig,
} from './adapters/adapter-config.js';
export { adapterFile, openPeftAdapter, ownPathsOf } from './adapters/adapter-file.js';
export { isAdapterHalf, onlyHalves, withoutHalves } from './adapters/adapter-halves.js';
export { isAdapterName, PEFT_PREFIX, parseAdapterName } from './adapters/adapter-names.js';
export { type AdapterParts, AdapterSet, type AdapterTensor } from './adapters/adapter-set.js';
export {
  type AdapterChanges,
  type AdapterUpdates,
  adapterUpdates,
  fileChanges,
  refuseMagnitudes,
} from './adapters/adapter-updates.js';
export { loadAdapter } from './adapters/load-adapter.js';
export { planPeftConfig } from './adapters/plan-peft-config.js';
export { type AdapterContent, adapterContent, saveAdapter } from './adapters/save-adapter.js';
export { type AdapterNaming, renameAdapter } from './adapters/spell-adapter.js';
export { CONTAINER_FORMATS, type ContainerFormat, container, formatByEnding } from './containers.js';
export { type CastRules, castHalves, castTensors } from './convert/cast-tensors.js';
export {
  type NamedViews,
  namedViews,
  type PlannedFile,
  type PlannedTensor,
  plannedBytes,
  plannedTensors,
  quantizeTensors,
  totalBytes,
} from './convert/chain-tensor.js';
export { mergeAdapter } from './convert/merge-adapter.js';
export { renameState, renameTensors, type SourceNaming, schemeOf } from './convert/rename-tensors.js';
export { shardFiles } from './convert/shard-files.js';
export { refuseManyRanks, shardTensors } from './convert/shard-tensors.js';
export { verifyFiles } from './convert/verify-files.js';
export { writeFiles } from './convert/write-files.js';
export { openZeroCheckpoint, type ZeroCheckpoint } from './deepspeed.js';
export { isZeroCheckpoint } from './deepspeed-files.js';
export { joinRanks } from './join-ranks.js';
export {
  INTEGER_ACTIVATIONS,
  type IntegerActivations,
  type LoadWeightsOptions,
  loadWeights,
  WeightSource,
  withoutValues,
} from './load-weights.js';
export { countKnown, isCounter, type ModelTensors, sortTensors } from './model-tensors.js';
export {
  ANY_NAMES,
  type FusedRow,
  type ModuleTensors,
  type NameScheme,
  nameScheme,
  ownNames,
} from './name-scheme.js';
export { layerPattern, type NameRow, NameTable, type NameTableOptions, withLayer } from './name-table.js';
export {
  type ModelCheckpoint,
  type OpenModelCheckpointOptions,
  openModelCheckpoint,
} from './open-model-checkpoint.js';
export { LAYOUT_FILE, openModelTensors, type WholeModelOptions, wholeModel } from './open-model-tensors.js';
export {
  DEFAULT_SHARD_THRESHOLD,
  type ParallelLayout,
  rankCount,
  tensorsOfRank,
} from './parallel-layout.js';
export { ParameterReader } from './parameter-reader.js';
export {
  type PublishedTensor,
  pieceOf,
  pieceStart,
  publishedBytes,
  publishedLayer,
  publishedName,
  publishedParameters,
  publishedTensors,
} from './published-parameters.js';
export {
  type HeldIntegers,
  type HeldWeights,
  heldIntegers,
  heldWeights,
  type IntegerLayers,
} from './quantized/held-weights.js';
export {
  findQuantization,
  type QuantizationConfig,
  quantizationOf,
  withoutQuantization,
} from './quantized/quantization-config.js';
export { turnIntegers } from './quantized/turn-integers.js';
export { saveWeights } from './save-weights.js';
export { ShardingTable, type Split, type TrainedSplit } from './sharding-table.js';
export { openStrategy, STRATEGY_FILE } from './strategy/find-strategy.js';
export { planStrategy } from './strategy/plan-strategy.js';
export { type ElementRange, product, TensorCut } from './tensor-cut.js';
export { TENSOR_NAMINGS, type TensorNaming, type WeightTables } from './weight-tables.js';
