export type { QueueLimits } from './admission.js';
export { EngineProcess, type EngineProcessOptions } from './engine-process.js';
export { type LocalEngineOptions, LocalEngineService } from './local-engine-service.js';
export type { RestartOptions } from './restart-policy.js';
export type {
  EngineLimits,
  EngineModule,
  StartedEngine,
  StepEvent,
  SteppingEngine,
} from './stepping-engine.js';
export type { TextEngineSetup } from './text-engine-module.js';
