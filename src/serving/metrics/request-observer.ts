/** What the metrics are told about a running sequence. */
import type { SequenceEnd } from '../../generation/index.js';

/** `abort`: cancelled, as when the client went away. `error`: failed; what was refused is among the HTTP answers alone. */
export type ObservedReason = SequenceEnd['finishReason'] | 'abort' | 'error';

export interface ObservedParameters {
  readonly maxTokens: number;
  readonly promptTokens: number;
}

/** One sequence, from its submission on. */
export interface RequestObserver {
  /** @param seconds since the submission */
  firstToken(seconds: number): void;
  /** Further tokens that came together. @param gapSeconds since those before */
  tokens(count: number, gapSeconds: number): void;
  /** In place of `finished`: it could not be served, by a fault of its own. */
  refused(): void;
  /** Once, at the end. @param end undefined where the engine gave none @param seconds since the submission */
  finished(
    reason: ObservedReason,
    end: SequenceEnd | undefined,
    parameters: ObservedParameters,
    seconds: number,
  ): void;
}
