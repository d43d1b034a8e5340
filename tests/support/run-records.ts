/** Records for the tests of the observers. */
import type { EvaluationRecord, StepRecord } from '../../src/training/watch/observer.js';

export function stepRecord(step: number, over: Partial<StepRecord> = {}): StepRecord {
  return {
    step,
    totalSteps: 100,
    loss: 3 + 5 / step,
    gradNorm: 1.5,
    learningRate: 3e-4,
    tokens: 2048 * step,
    learnedTokens: 2000,
    rows: 8 * step,
    tokensPerSecond: 1024,
    modelFlopsUtilisation: 0.5,
    memoryBytes: 1.5e9,
    peakMemoryBytes: 2e9,
    phaseSeconds: { data: 0.01, forward: 0.5, backward: 1, optimizer: 0.1 },
    elapsedSeconds: 2 * step,
    ...over,
  };
}

export function evaluationRecord(step: number, over: Partial<EvaluationRecord> = {}): EvaluationRecord {
  return { step, loss: 3.25, perplexity: Math.exp(3.25), tokens: 4096, seconds: 1.5, isBest: true, ...over };
}
