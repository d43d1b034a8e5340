/** The parameters of sampling, their defaults and ranges. */
import { InputError } from '../errors/index.js';

/** One sequence's last-position logits [V], read back from the device. */
export type LogitsRow = Float32Array | Float64Array;

/**
 * How the next token is chosen. Applied in this order: penalties and bias, temperature, top-k, top-p, min-p.
 * Every field may be left out; nothing given means greedy.
 */
export interface SamplingParameters {
  /** Divides the logits. Absent or 0: greedy, and the three filters have no effect. */
  readonly temperature?: number;
  /** Keeps the k largest logits and all equal to the k-th. Absent or 0: off. */
  readonly topK?: number;
  /** Keeps the fewest most probable tokens that together reach this mass, at least one. Absent or 1: off. */
  readonly topP?: number;
  /** Keeps tokens at least this many times as probable as the most probable one. Absent or 0: off. */
  readonly minP?: number;
  /** Makes the draws repeatable; -2^63 to 2^64-1, as a number or a bigint. Absent: taken from the system. */
  readonly seed?: number | bigint;
  /** Above 1 discourages repetition; 1 (default): off. */
  readonly repetitionPenalty?: number;
  /** `multiplicative` (CTRL, default) counts prompt and output, `subtractive` (Spark) the output alone. */
  readonly repetitionPenaltyKind?: 'multiplicative' | 'subtractive';
  /** What each further repetition adds to a subtractive penalty; default 0.1. */
  readonly repetitionPenaltyIncrease?: number;
  /** Subtracted once from the logit of every token generated so far; default 0. */
  readonly presencePenalty?: number;
  /** Subtracted once per occurrence in the output; default 0. */
  readonly frequencyPenalty?: number;
  /** Token id to a number added to its logit; -Infinity forbids the token. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

type NumberField = {
  [Field in keyof SamplingParameters]-?: SamplingParameters[Field] extends number | undefined ? Field : never;
}[keyof SamplingParameters];

const numberFields: readonly [field: NumberField, accepts: (value: number) => boolean, range: string][] = [
  ['temperature', (x) => x >= 0 && x < Infinity, 'a number from 0 (greedy)'],
  ['topK', (x) => Number.isSafeInteger(x) && x >= 0, 'a whole number from 0 (off)'],
  ['topP', (x) => x >= 0 && x <= 1, 'a number from 0 to 1 (off)'],
  ['minP', (x) => x >= 0 && x <= 1, 'a number from 0 (off) to 1'],
  ['repetitionPenalty', (x) => x > 0 && x < Infinity, 'a number above 0 (1 is off)'],
  ['repetitionPenaltyIncrease', Number.isFinite, 'a finite number'],
  ['presencePenalty', Number.isFinite, 'a finite number'],
  ['frequencyPenalty', Number.isFinite, 'a finite number'],
];

/** @throws InputError naming the first field that is out of range, its value and the range. */
export function checkSamplingParameters(parameters: SamplingParameters): void {
  for (const [field, accepts, range] of numberFields) {
    const value = parameters[field];
    if (value !== undefined && !accepts(value)) {
      throw new InputError(`sampling: ${field} is ${value}; give ${range}`);
    }
  }
  if (parameters.seed !== undefined) checkSeed(parameters.seed);
  for (const [id, bias] of parameters.logitBias ?? []) {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new InputError(`sampling: logitBias names token ${id}; give token ids from 0`);
    }
    if (!(bias < Infinity)) {
      throw new InputError(
        `sampling: logitBias of token ${id} is ${bias}; give a finite number or -Infinity to forbid the token`,
      );
    }
  }
}

/** @throws InputError if `seed` is not a whole number of 64 bits. */
export function checkSeed(seed: number | bigint): void {
  const isWhole = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  if (!isWhole || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new InputError(
      `sampling: seed is ${seed}; give a whole number (beyond ±(2^53-1) a bigint) from -2^63 to 2^64-1`,
    );
  }
}
