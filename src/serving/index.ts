export {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
  QueueFullError,
} from './engine-service.js';
