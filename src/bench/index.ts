/** Speed of every part, in turns with the programs of others: what `xinghe bench` measures. */
export { type BenchSession, withBenchSession } from './bench-session.js';
export type { Benchmark } from './benchmark.js';
export { MODEL_SIZES } from './materials/model-sizes.js';
export { planCost } from './plans/plan-cost.js';
export { planConvert, planData } from './plans/plan-files.js';
export { planCached, planDecode, planFromStart, planPrompt } from './plans/plan-generation.js';
export { planLinear, planOp } from './plans/plan-op.js';
export type { PeerChoice } from './plans/plan-options.js';
export { planServe } from './plans/plan-serve.js';
export { planEncode, planVocabulary } from './plans/plan-tokenizer.js';
export { planTrain } from './plans/plan-train.js';
export { formatResult } from './report/format-result.js';
export { writeResult } from './report/write-result.js';
export { type BenchmarkResult, NotQuietError, runBenchmark } from './run-benchmark.js';
export { CONVERSIONS } from './subjects/conversions.js';
export { COST_KINDS } from './subjects/cost-settings.js';
export { TRAIN_PRECISIONS } from './subjects/train-settings.js';
export { VOCABULARY_TYPES } from './subjects/vocabulary-types.js';
