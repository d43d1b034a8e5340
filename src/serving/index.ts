export type { ChatTurn } from './chat-prompt.js';
export {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
  QueueFullError,
} from './engine-service.js';
export type { GenerationDefaults } from './generation-defaults.js';
export {
  createServedModel,
  type LoadServedModelOptions,
  loadServedModel,
  type RenderChatOptions,
  type ServedModel,
} from './served-model.js';
