export { type GroupOptions, type Pending, ProcessGroup } from './process-group.js';
export { type RankEnvironment, rankEnvironment } from './rank-environment.js';
export { World, type WorldOptions } from './world.js';
