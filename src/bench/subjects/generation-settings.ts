/** What generation is measured with: plain data, without what computes. */
import type { IntegerActivations } from '../../checkpoint/index.js';
import type { FloatDType } from '../../tensor/index.js';

export interface GenerationSettings {
  readonly model: string;
  readonly dtype?: FloatDType | undefined;
  readonly kvDType?: 'int8' | undefined;
  /** Default: auto, as the commands take it. */
  readonly integerActivations?: IntegerActivations | undefined;
  readonly sequences: number;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** Within the process; the best counts, so that the first warms up. */
  readonly repetitions: number;
  readonly threads?: number | undefined;
}

/** The same ids on every side: a peer's program makes them by the same rule. */
export function inventedPrompt(vocabSize: number, seed: number, length: number): number[] {
  const first = vocabSize > 600 ? 300 : 3;
  const span = Math.max(1, Math.min(20000, vocabSize - first));
  return Array.from({ length }, (_, index) => first + ((index * 7919 + seed * 104729) % span));
}
