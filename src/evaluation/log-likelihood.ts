/** Log-likelihoods of given continuations, the basis of multiple choice. */
import { NonFiniteError } from '../errors/index.js';
import { cacheBytesPerToken, Engine, type EngineEvent } from '../generation/index.js';
import type { CausalLm } from '../models/index.js';

export interface Continuation {
  /** At least one id. */
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

export interface LogLikelihoodOptions {
  /** Sequences that run together at most. Default 32. */
  readonly batchSize?: number;
  readonly onProgress?: (done: number) => void;
}

/** Memory for keys and values, unless one item alone needs more. */
const CACHE_BYTES = 2 ** 30;
/** Room for the blocks that are only partly filled. */
const RESERVED_TOKENS = 64;

/**
 * Sum over the continuation of log p(token | all before it), in nats, for each item in order. What items have in common at
 * their beginnings (the shots, the question of several answers) runs once; keep such items together.
 * @throws InputError for an item longer than the model allows; NonFiniteError if a sum is not a number
 */
export function logLikelihoods(
  model: CausalLm,
  items: readonly Continuation[],
  { batchSize = 32, onProgress }: LogLikelihoodOptions = {},
): number[] {
  const bare = items.findIndex(({ context }) => context.length === 0);
  if (bare >= 0) throw new RangeError(`item ${bare} has no context to predict its first token from`);
  const results = new Array<number>(items.length).fill(0);
  const asked = [...items.entries()].filter(([, { continuation }]) => continuation.length > 0);
  if (asked.length === 0) return results;
  const engine = new Engine(model, { cacheTokens: cacheTokens(model, items), maxSequences: batchSize });
  let done = items.length - asked.length;
  try {
    for (const [index, { context, continuation }] of asked)
      engine.submit(String(index), {
        promptIds: [...context, ...continuation],
        maxNewTokens: 0,
        promptLogProbs: 0,
        promptLogProbsFrom: context.length,
      });
    while (engine.hasWork)
      for (const event of engine.step()) {
        const index = Number(event.id);
        results[index] = (results[index] ?? 0) + sumOf(event);
        if (event.end !== undefined) onProgress?.(++done);
      }
  } finally {
    engine.dispose();
  }
  return results;
}

function sumOf({ promptLogProbs = [], error }: EngineEvent): number {
  if (error !== undefined) throw error;
  const sum = promptLogProbs.reduce((total, token) => total + (token?.chosen.logProb ?? 0), 0);
  if (Number.isNaN(sum)) throw new NonFiniteError('evaluation: a log-likelihood is NaN.');
  return sum;
}

function cacheTokens(model: CausalLm, items: readonly Continuation[]): number {
  const lengths = items.map(
    ({ context, continuation }) => context.length + continuation.length + RESERVED_TOKENS,
  );
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const affordable = Math.floor(CACHE_BYTES / cacheBytesPerToken(model));
  return Math.max(Math.max(...lengths), Math.min(all, affordable));
}
