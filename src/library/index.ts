/** What the root of the package offers (src/index.ts chooses), and what the commands share with it. */
export { type Answer, AnswerStream, type Usage } from './answer.js';
export type { Message, Tool, ToolCall } from './chat-message.js';
export { convert } from './convert.js';
export { type EvaluateOptions, evaluate } from './evaluate.js';
export type { ChatOptions, GenerateOptions } from './generate-options.js';
export { loadTokenizer } from './load-tokenizer.js';
export { type LoadOptions, loadModel, Model, type RequestHandlerOptions } from './model.js';
export { openLocalModel } from './open-local-model.js';
export { setLog } from './set-log.js';
export { type TrainConfigInput, type TrainOptions, train } from './train.js';
export { createTaskEvaluator, TASKS_CACHE_BYTES } from './training-tasks.js';
