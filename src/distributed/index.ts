export { FollowerBell, type FollowerHooks } from './bell/follower-bell.js';
export { LeaderBell } from './bell/leader-bell.js';
export { ContextGroup } from './context-parallel/context-group.js';
export { heartbeat, type Mark, startHeartbeat } from './launch/heartbeat.js';
export { type LaunchOptions, launch } from './launch/launch.js';
export {
  DEFAULT_RENDEZVOUS_PORT,
  parseRendezvous,
  type RendezvousAddress,
} from './launch/rendezvous-address.js';
export { type Collectives, type GroupOptions, type Pending, ProcessGroup } from './process-group.js';
export { type RankEnvironment, rankEnvironment } from './rank-environment.js';
export { parseDeviceAddresses, readDeviceAddresses } from './rank-table/device-addresses.js';
export { type GenerateRankTableOptions, generateRankTable } from './rank-table/generate-rank-table.js';
export { mergeRankTables } from './rank-table/merge-rank-tables.js';
export { type RankTable, readRankTable, type TableServer } from './rank-table/rank-table.js';
export type { RankTableFile } from './rank-table/rank-table-file.js';
export { ownAddresses, placeOfServer } from './rank-table/this-server.js';
export { selectRankDevice } from './select-rank-device.js';
export { headsOfRank, SelectedOutputs } from './tensor-parallel/selected-outputs.js';
export { isHiddenModule, SplitRegion } from './tensor-parallel/split-region.js';
export { TensorGroup } from './tensor-parallel/tensor-group.js';
export {
  type VocabularyPart,
  vocabularyCrossEntropySum,
} from './tensor-parallel/vocabulary-cross-entropy.js';
export { VocabularyEmbedding } from './tensor-parallel/vocabulary-embedding.js';
export { World, type WorldOptions } from './world.js';
