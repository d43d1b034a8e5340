export { type Continuation, type LogLikelihoodOptions, logLikelihoods } from './log-likelihood.js';
export { type ChoiceItem, type ChoiceResult, measureChoices } from './multiple-choice.js';
