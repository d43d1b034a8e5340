/** Samples a token from a row of logits. */
import { randomBytes } from 'node:crypto';
import { NonFiniteError } from '../errors/index.js';
import { Candidates } from './candidates.js';
import { Random, type RandomState } from './random.js';
import { checkSamplingParameters, type LogitsRow, type SamplingParameters } from './sampling-parameters.js';
import { nextNotBelow } from './scan-row.js';

// One set of vocabulary-sized arrays for all samplers of a thread: calls are synchronous.
const candidates = new Candidates();

/**
 * Chooses the tokens of one sequence: greedy without a temperature, else one seeded draw per token.
 * Penalties come before and are not its business (see createPenalties). Rows are read, never changed.
 */
export class Sampler {
  readonly #parameters: SamplingParameters;
  readonly #random: Random;

  /**
   * @param parameters penalties among them are ignored here
   * @param stream tells apart sequences of one seed, such as several of one prompt
   * @throws InputError if a parameter is out of range
   */
  constructor(parameters: SamplingParameters, stream = 0) {
    checkSamplingParameters(parameters);
    this.#parameters = parameters;
    this.#random = new Random(parameters.seed ?? randomBytes(8).readBigUInt64LE(), stream);
  }

  /** Seed, stream and number of draws: enough to report a run or to repeat it. */
  get randomState(): RandomState {
    return this.#random.state();
  }

  /** @throws NonFiniteError if the row holds NaN or no finite maximum */
  sample(row: LogitsRow): number {
    if (!this.#parameters.temperature) return greedyToken(row);
    return findCandidates(row, this.#parameters, this.#parameters.temperature).draw(this.#random.uniform());
  }
}

/**
 * The id of the largest logit; of several the smallest id.
 * @throws NonFiniteError if the row holds NaN or no finite maximum
 */
export function greedyToken(row: LogitsRow): number {
  let max = -Infinity;
  let best = -1;
  for (let id = 0; id < row.length; id = nextNotBelow(row, id + 1, max)) {
    const logit = row[id]!;
    if (logit <= max) continue;
    if (Number.isNaN(logit)) throw badRow(`are NaN at token ${id}`);
    max = logit;
    best = id;
  }
  if (!Number.isFinite(max)) {
    throw badRow(max === Infinity ? `are infinite at token ${best}` : 'allow no token: all are -Infinity');
  }
  return best;
}

/** The tokens that can be drawn and their weights, until the next call. @throws NonFiniteError as greedyToken */
export function findCandidates(
  row: LogitsRow,
  parameters: SamplingParameters,
  temperature: number,
): Candidates {
  const { topK = 0, topP = 1, minP = 0 } = parameters;
  candidates.fill(row, row[greedyToken(row)]!, temperature, topK);
  if (topP < 1) candidates.keepTopP(topP);
  if (minP > 0) candidates.keepMinP(minP);
  return candidates;
}

function badRow(fault: string): NonFiniteError {
  return new NonFiniteError(
    `sampling: the logits ${fault}; check the weights, the data type and the biases for values out of range`,
  );
}
