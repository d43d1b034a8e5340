export { type GenerationResult, generateIds, generateText, type TextResult } from './generate-text.js';
export {
  type FinishReason,
  type GeneratedToken,
  GenerationBatch,
  type GenerationRequest,
} from './generation-batch.js';
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
export type {
  BeamChoice,
  BeamParameters,
  EngineStats,
  SequenceEnd,
  TextEvent,
  TextRequest,
} from './requests.js';
export { greedyToken, Sampler, type TokenProbabilities, tokenProbabilities } from './sampler.js';
export { checkSamplingParameters, type LogitsRow, type SamplingParameters } from './sampling-parameters.js';
export { StopStringMatcher, type StopStringResult } from './stop-strings.js';
export type { GrammarSpec } from './structured/grammar-spec.js';
export type { TokenConstraint } from './structured/token-constraint.js';
