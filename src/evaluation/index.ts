export { type Continuation, type LogLikelihoodOptions, logLikelihoods } from './log-likelihood.js';
export {
  type MultipleChoiceItem,
  type MultipleChoiceResult,
  scoreMultipleChoice,
} from './multiple-choice.js';
export { type ScoreOptions, scoreConversations } from './score-conversations.js';
