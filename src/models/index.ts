export { INTEGER_ACTIVATIONS, type IntegerActivations } from '../checkpoint/index.js';
export { copyAuxiliaryFiles, readAuxiliaryFile } from './auxiliary-files.js';
export {
  type Block,
  type BlockLinears,
  CausalLm,
  type CrossEntropySum,
  type ForwardContext,
  type ForwardOptions,
  type ModelEdges,
  type ModelEnds,
  type ModelPeers,
  type ModelSegment,
  type RotaryParameters,
} from './causal-lm.js';
export {
  answerText,
  type ChatFormat,
  type ChatMessage,
  type ChatRole,
  learnedAnswers,
  type PromptOptions,
  promptLimit,
  type TrainingIds,
  type TrainingOptions,
  type TrainingSpan,
} from './chat-format.js';
export { chooseModelChat, modelChat, parseTemplateValues } from './chat-of-model.js';
export {
  BUILT_IN_CHATS,
  type ChatWishes,
  type ChosenChat,
  chooseChat,
  conversationValues,
  cutContents,
  encodeCut,
  MESSAGE_EXTRAS,
  modelTemplates,
  printsArguments,
  readFunctionCall,
  readMessageExtras,
  readTools,
  templateChat,
  tokenValues,
} from './chat-template/index.js';
export { checkFiniteLogits, reportNonFiniteWeights } from './check-finite.js';
export {
  type ConversionPlan,
  type ConversionResult,
  type ConvertOptions,
  convertModel,
  planConversion,
} from './convert/index.js';
export { type Architecture, configValue, type FamilyName, type ModelFamily } from './family.js';
export {
  dtypeOfConfig,
  type PlannedQuantization,
  weightsOfFiles,
  weightsOnceQuantized,
} from './held-weights.js';
export { type LoadAdaptedModelOptions, loadAdaptedModel } from './load-adapted-model.js';
export { holdsAdapterHalves, loadMergedModel, type MergedModelOptions } from './load-merged-model.js';
export {
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  loadModelArchitecture,
  shareParameters,
} from './load-model.js';
export type { ExpertsShape, ModelShape } from './model-shape.js';
export { holdsTokenizer, loadModelTokenizer, openTokenizer, tokenizerSource } from './model-tokenizer.js';
export { isPublishedChat, type PublishedChat, publishedChat } from './published-chats.js';
export {
  QUANTIZATION_FORMS,
  QUANTIZATION_SCHEMES,
  type QuantizationReport,
  type QuantizeOptions,
  quantizeModel,
} from './quantize/index.js';
export { families, findConfig, findConfigIn, loadArchitecture, parseArchitecture } from './registry.js';
export { lastScores, rewardArchitecture, SCORE, withScoreHead } from './reward-model.js';
export { type AuxiliaryFile, auxiliaryFilesOf, saveModel, tokenizerFilesOf } from './save-model.js';
export { checkTensorSplit, divisorsOf } from './split/check-split.js';
export { hasAllKeyValues, modelCuts, type SplitPlace } from './split/model-cuts.js';
export { SplitModel } from './split/split-model.js';
