export type { QueueLimits } from './admission.js';
export type { EngineModule, StartedEngine } from './engine-module.js';
export { EngineProcess, type EngineProcessOptions } from './engine-process.js';
export { FollowerProcess } from './follower-process.js';
export type { RestartOptions } from './restart-policy.js';
export type { TextEngineSetup } from './text-engine-module.js';
