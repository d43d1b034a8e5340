export { AnswerFile, type AnswerFileOptions } from './batch/answer-file.js';
export { type Answer, type AnswerOptions, answerQuestions } from './batch/answer-questions.js';
export { type Question, readQuestions } from './batch/questions.js';
export { ReorderBuffer } from './batch/reorder-buffer.js';
export {
  type BeamResult,
  BeamSearch,
  type BeamSearchOptions,
  type BeamStep,
  type ProcessBeamRow,
} from './beam-search.js';
export { createDetokenizer } from './detokenizer.js';
export { checkRequest, type EngineLimits } from './engine/check-request.js';
export { Engine, type EngineEvent } from './engine/engine.js';
export {
  cacheBytesPerToken,
  DEFAULT_MAX_SEQUENCES,
  type EngineOptions,
  type EngineSettings,
} from './engine/engine-options.js';
export { StepLoop, type StepLoopHooks } from './engine/step-loop.js';
export type { StepEvent, SteppingEngine } from './engine/stepping-engine.js';
export { TextEngine, type TextEngineOptions } from './engine/text-engine.js';
export { type GenerationResult, generateIds, generateText, type TextResult } from './generate-text.js';
export { type GenerationDefaults, readGenerationDefaults } from './generation-defaults.js';
export { type TokenLogProb, type TokenLogProbs, tokenLogProbs } from './log-probs.js';
export {
  createPenalties,
  LogitBias,
  MultiplicativePenalty,
  OccurrencePenalty,
  type Penalty,
  SubtractivePenalty,
} from './penalties.js';
export { Random, type RandomState } from './random.js';
export { ModelRanks } from './ranks/model-ranks.js';
export type {
  BeamParameters,
  EngineStats,
  FinishReason,
  GenerationRequest,
  Pooling,
  SequenceEnd,
  TextBeamResult,
  TextEvent,
  TextRequest,
} from './requests.js';
export { greedyToken, Sampler } from './sampler.js';
export { checkSamplingParameters, type LogitsRow, type SamplingParameters } from './sampling-parameters.js';
export { StopStringMatcher, type StopStringResult } from './stop-strings.js';
export {
  type CompiledGrammar,
  GrammarCompiler,
  type GrammarCompilerOptions,
} from './structured/grammar-compiler.js';
export type { GrammarSpec } from './structured/grammar-spec.js';
export { relocateReferences, schemaPath } from './structured/schema/relocate-references.js';
export { HONOURED_KEYWORDS } from './structured/schema/schema-keywords.js';
export { STRING_FORMATS } from './structured/schema/string-formats.js';
export type { CompileOptions, ConstraintSource, TokenConstraint } from './structured/token-constraint.js';
