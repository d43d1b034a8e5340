export { compareRuns, type RunsComparison } from './comparison/compare-runs.js';
export { comparisonNotes, comparisonText } from './comparison/comparison-table.js';
export { type RecordedRun, readRun } from './comparison/recorded-run.js';
export { comparisonJson, writeComparison } from './comparison/write-comparison.js';

export { cohenKappa } from './judge/agreement/agreement.js';
export {
  type AgreementReport,
  agreementOfScores,
  readHumanScores,
  readHumanWinners,
} from './judge/agreement/human-labels.js';
export { dimensionsText } from './judge/dimension-table.js';
export { Fence } from './judge/fence.js';
export {
  countUnusable,
  Judge,
  type JudgeQuestion,
  type JudgeReply,
  type JudgeReport,
} from './judge/judge.js';
export { loadDialogues } from './judge/load-dialogues.js';
export { pairwiseMarkdown, pairwiseText } from './judge/pairwise/pairwise-table.js';
export { readRecordedRun } from './judge/pairwise/recorded-run.js';
export { type PairwiseResult, runPairwise } from './judge/pairwise/run-pairwise.js';
export { loadRubric, RUBRIC_PATH } from './judge/rubric.js';
export { VerdictCache } from './judge/verdict-cache.js';
export { type Candidate, fieldLike, type Reading, readVerdictText, reasonIn } from './judge/verdict-text.js';

export { type Continuation, type LogLikelihoodOptions, logLikelihoods } from './log-likelihood.js';
export { answerInTurn } from './model/answer-in-turn.js';
export { HttpModel, type HttpModelOptions } from './model/http-model.js';
export type {
  AnswerHooks,
  LanguageModel,
  ModelIdentity,
  ModelQuestion,
  ModelUsage,
  PromptForm,
} from './model/language-model.js';
export { LocalModel, type LocalModelOptions } from './model/local-model.js';
export { hashModel, hashTokenizer } from './model/model-identity.js';
export { promptMessages } from './model/prompt-text.js';
export { RateLimit } from './model/rate-limit.js';
export {
  type MultipleChoiceItem,
  type MultipleChoiceResult,
  scoreMultipleChoice,
} from './multiple-choice.js';
export { TASKS } from './registry.js';
export { resultTable, tableText } from './report/result-table.js';
export { writeReports } from './report/write-reports.js';
export { type EvaluateTasksOptions, evaluateTasks } from './run/evaluate-tasks.js';
export type { EvaluationPlan, TaskPlan } from './run/evaluation-plan.js';
export { type PlannedTasks, planTasks } from './run/plan-tasks.js';
export { readPredictions } from './run/predictions.js';
export { PRESET_NAMES, type Preset, presetOf } from './run/presets.js';
export { type Answerer, type EvaluationResult, runEvaluation } from './run/run-evaluation.js';
export { type Estimate, estimateMean, wilsonInterval } from './run/statistics.js';
export { type SuiteScore, type SuiteTask, TaskSuite } from './run/task-suite.js';
export { PythonSandbox } from './sandbox/python-sandbox.js';
export { type ScoreOptions, scoreConversations } from './score-conversations.js';
export type { SetReader } from './sets/set-reader.js';
export type { Grade, ProgramVerdict, Prompt, Sample, Task } from './task.js';
export { dialogueOf } from './tasks/dialogue/dialogue.js';
