export type { GenerationDefaults } from '../generation/index.js';
export type { ChatTurn } from './chat-prompt.js';
export {
  EngineProcess,
  type EngineProcessOptions,
  type QueueLimits,
  type TextEngineSetup,
} from './engine-process/index.js';
export {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
  QueueFullError,
} from './engine-service.js';
export {
  ApiKeys,
  createRequestHandler,
  HttpError,
  type RequestHandler,
  readKeyFile,
} from './http/index.js';
export { ModelService, type ModelServiceOptions } from './model-service.js';
export {
  ChatRun,
  CompletionRun,
  type OpenAiRoutesOptions,
  openAiRoutes,
  type RunCaller,
} from './openai/index.js';
export { followServer, ModelServer, type ServeOptions } from './serve.js';
export {
  createServedModel,
  type LoadServedModelOptions,
  loadServedModel,
  type RenderChatOptions,
  type ServedModel,
} from './served-model.js';
