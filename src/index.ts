/**
 * Layers, upper to lower; imports point down only, and folders between commas do not import each other
 * (checked by tools/check-layers.mjs, which reads the next line):
 *
 * cli > bench > library > compat, serving, persona > demo > training, evaluation > data, generation, export > models > checkpoint > distributed, quantization, lora > nn > tensor, tokenizers, templates, hub > config, formats, workers > errors, json, log
 *
 * A folder is imported through its index.ts; nothing outside a folder reaches past it.
 *
 * The exports below are the public face of the package: docs/library.md, semantic versions by them alone.
 */
export { productVersion as version } from './config/index.js';
export { InputError, InterruptedError } from './errors/index.js';
export type { EvaluationResult } from './evaluation/index.js';
export {
  type Answer,
  AnswerStream,
  type ChatOptions,
  convert,
  type EvaluateOptions,
  evaluate,
  type GenerateOptions,
  type LoadOptions,
  loadModel,
  loadTokenizer,
  type Message,
  Model,
  type RequestHandlerOptions,
  setLog,
  type Tool,
  type ToolCall,
  type TrainConfigInput,
  type TrainOptions,
  train,
  type Usage,
} from './library/index.js';
export type { ConversionResult, ConvertOptions } from './models/index.js';
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizers/index.js';
export type { EvaluationRecord, StepRecord, TrainingResult } from './training/index.js';
