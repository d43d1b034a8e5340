/** Repetition, presence and frequency penalties, and logit bias. */
import { InputError } from '../errors/index.js';
import { checkSamplingParameters, type LogitsRow, type SamplingParameters } from './sampling-parameters.js';

/** Changes the logits of one sequence by what it has said so far. */
export interface Penalty {
  /** Changes a row in place; call once per token to be chosen, before sampling. */
  apply(row: LogitsRow): void;
  /** Takes note of a generated token. */
  add(id: number): void;
}

/**
 * The penalties that the parameters ask for, in the order in which they apply; empty if none.
 * @param promptIds tokens before the first generated one
 * @throws InputError if a parameter is out of range
 */
export function createPenalties(parameters: SamplingParameters, promptIds: Iterable<number>): Penalty[] {
  checkSamplingParameters(parameters);
  const { repetitionPenalty = 1, repetitionPenaltyKind = 'multiplicative' } = parameters;
  const {
    repetitionPenaltyIncrease = 0.1,
    presencePenalty = 0,
    frequencyPenalty = 0,
    logitBias,
  } = parameters;
  const penalties: Penalty[] = [];
  if (repetitionPenalty !== 1) {
    penalties.push(
      repetitionPenaltyKind === 'multiplicative'
        ? new MultiplicativePenalty(repetitionPenalty, promptIds)
        : new SubtractivePenalty(repetitionPenalty, repetitionPenaltyIncrease),
    );
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    penalties.push(new OccurrencePenalty(presencePenalty, frequencyPenalty));
  }
  if (logitBias !== undefined && logitBias.size > 0) penalties.push(new LogitBias(logitBias));
  return penalties;
}

/** CTRL (Keskar et al. 2019, section 4.1): score < 0 ? score * p : score / p, once per id in prompt and output. */
export class MultiplicativePenalty implements Penalty {
  readonly #penalty: number;
  readonly #seen: Set<number>;

  constructor(penalty: number, promptIds: Iterable<number>) {
    this.#penalty = penalty;
    this.#seen = new Set(promptIds);
  }

  apply(row: LogitsRow): void {
    for (const id of this.#seen) {
      const score = row[id]!;
      row[id] = score < 0 ? score * this.#penalty : score / this.#penalty;
    }
  }

  add(id: number): void {
    this.#seen.add(id);
  }
}

/**
 * Spark's own: a table of subtracted logits. A token's entry becomes `penalty` when it is first generated and
 * grows by `increase` each further time; the prompt does not count.
 */
export class SubtractivePenalty implements Penalty {
  readonly #penalty: number;
  readonly #increase: number;
  readonly #table = new Map<number, number>();

  constructor(penalty: number, increase = 0.1) {
    this.#penalty = penalty;
    this.#increase = increase;
  }

  apply(row: LogitsRow): void {
    for (const [id, subtracted] of this.#table) row[id] = row[id]! - subtracted;
  }

  add(id: number): void {
    const entry = this.#table.get(id) ?? 0;
    // An entry that a negative increase has brought back to 0 starts anew, as published.
    this.#table.set(id, entry === 0 ? this.#penalty : entry + this.#increase);
  }

  /** What is subtracted from the token's logit. */
  subtractedFrom(id: number): number {
    return this.#table.get(id) ?? 0;
  }
}

/** OpenAI's two: presence once per generated token, frequency per occurrence; the prompt does not count. */
export class OccurrencePenalty implements Penalty {
  readonly #presence: number;
  readonly #frequency: number;
  readonly #counts = new Map<number, number>();

  constructor(presence: number, frequency: number) {
    this.#presence = presence;
    this.#frequency = frequency;
  }

  apply(row: LogitsRow): void {
    for (const [id, count] of this.#counts) row[id] = row[id]! - this.#presence - count * this.#frequency;
  }

  add(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }
}

/** A constant added to the logits of some tokens; -Infinity forbids one. */
export class LogitBias implements Penalty {
  readonly #biases: ReadonlyMap<number, number>;

  constructor(biases: ReadonlyMap<number, number>) {
    this.#biases = biases;
  }

  /** @throws InputError if a token is outside the vocabulary */
  apply(row: LogitsRow): void {
    for (const [id, bias] of this.#biases) {
      if (id >= row.length) {
        throw new InputError(
          `sampling: logitBias names token ${id}; the vocabulary has ids 0 to ${row.length - 1}`,
        );
      }
      row[id] = row[id]! + bias;
    }
  }

  add(): void {}
}
