/** Decimal numbers that are a whole multiple of another, digit by digit. */
import type { ByteMachine, GrammarBuilder, GrammarNode } from './byte-grammar.js';
import { type Bound, decimalDigits, type NumberBounds } from './number-grammar.js';

/** Digits, point, anything else. */
const NUM_CLASSES = 12;
const POINT = 10;
const OTHER = 11;
const BYTE_CLASSES = Uint16Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : byte === 0x2e ? POINT : OTHER,
);
/** Doubles tell decimal numbers of so many digits apart. */
const LARGEST_DECIMAL = 10n ** 15n - 1n;
const LARGEST_INTEGER = BigInt(Number.MAX_SAFE_INTEGER);
const MAX_STATES = 200_000;

/** There are too many remainders to keep apart. */
export class TooManyRemainders extends Error {}

/** A decimal number above 0: units / 10^places. */
export interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

/** @param value above 0 */
export function decimalOf(value: number): Decimal {
  const { whole, fraction } = decimalDigits(value);
  return { units: BigInt(whole + fraction), places: fraction.length };
}

/** The smallest number that both divide. */
export function leastCommonMultiple(a: Decimal, b: Decimal): Decimal {
  const places = Math.max(a.places, b.places);
  const first = a.units * 10n ** BigInt(places - a.places);
  const second = b.units * 10n ** BigInt(places - b.places);
  return { units: (first / greatestCommonDivisor(first, second)) * second, places };
}

/**
 * Multiples of `step` between bounds, without exponent: whole numbers up to 2^53, others up to 15 digits.
 * @throws TooManyRemainders
 */
export function multiplesGrammar(
  builder: GrammarBuilder,
  step: Decimal,
  bounds: NumberBounds,
  isInteger: boolean,
): GrammarNode {
  const table = new DigitTable();
  const options: GrammarNode[] = [];
  for (let places = 0; places <= (isInteger ? 0 : step.places); places++) {
    const missing = 10n ** BigInt(step.places - places);
    const modulus = step.units / greatestCommonDivisor(step.units, missing);
    const largest = places === 0 && isInteger ? LARGEST_INTEGER : LARGEST_DECIMAL;
    const low = bounds.min === undefined ? -largest : larger(-largest, scaled(bounds.min, places, 1n));
    const high = bounds.max === undefined ? largest : smaller(largest, scaled(bounds.max, places, -1n));
    for (const [sign, from, to] of [
      ['', larger(low, 0n), high],
      ['-', larger(-high, 1n), -low],
    ] as const) {
      const starts = table.starts(from, to, modulus, places);
      if (starts.length === 0) continue;
      const numbers = builder.choice(starts.map((start) => builder.machine(new DigitMachine(table, start))));
      options.push(builder.sequence([builder.literal(sign), numbers]));
    }
  }
  return builder.choice(options);
}

/** A machine over digits as plain data. */
export interface DigitTables {
  readonly kind: 'digits';
  readonly start: number;
  /** Shared by all machines of a grammar. */
  readonly table: {
    /** [states, 12]: the next state, -1 for none. */
    readonly next: Int32Array;
    readonly end: number;
  };
}

export function digitMachine({ table: { next, end }, start }: DigitTables): ByteMachine {
  const rows = Array.from({ length: next.length / NUM_CLASSES }, (_, state) =>
    next.subarray(state * NUM_CLASSES, (state + 1) * NUM_CLASSES),
  );
  return new DigitMachine({ rows, end, packed: { next, end } }, start);
}

class DigitMachine implements ByteMachine {
  readonly start: number;
  readonly byteClasses = BYTE_CLASSES;
  readonly #table: Pick<DigitTable, 'rows' | 'end' | 'packed'>;

  constructor(table: Pick<DigitTable, 'rows' | 'end' | 'packed'>, start: number) {
    this.#table = table;
    this.start = start;
  }

  get tables(): DigitTables {
    return { kind: 'digits', start: this.start, table: this.#table.packed };
  }

  step(state: number, byte: number): number {
    return this.#table.rows[state]![BYTE_CLASSES[byte]!]!;
  }

  isAccepting(state: number): boolean {
    return state === this.#table.end;
  }

  positionOf(state: number): number {
    return state;
  }
}

/** How a number may go on. */
interface Digits {
  readonly modulus: bigint;
  /** Digits after the point. */
  readonly places: number;
  /** Digits to come. */
  readonly left: number;
  /** What stands so far, up to what makes no difference any more. */
  readonly remainder: bigint;
  /** Digits that the rest must not fall short of or exceed; undefined: any. */
  readonly low: string | undefined;
  readonly high: string | undefined;
}

class DigitTable {
  readonly rows: Int32Array[] = [new Int32Array(NUM_CLASSES).fill(-1)];
  /** The state after the last digit. */
  readonly end: number = 0;
  readonly #known = new Map<string, number>();
  #packed: DigitTables['table'] | undefined;

  /** One for all machines, so that it crosses to another thread once. */
  get packed(): DigitTables['table'] {
    const length = NUM_CLASSES * this.rows.length;
    if (this.#packed?.next.length === length) return this.#packed;
    const next = new Int32Array(length);
    for (const [state, row] of this.rows.entries()) next.set(row, NUM_CLASSES * state);
    this.#packed = { next, end: this.end };
    return this.#packed;
  }

  /** First states for whole numbers from..to of units of the last place, one for each length. */
  starts(from: bigint, to: bigint, modulus: bigint, places: number): number[] {
    const starts: number[] = [];
    if (from > to) return starts;
    const longest = Math.max(String(to).length, places + 1);
    for (let length = places + 1; length <= longest; length++) {
      const smallest = length === places + 1 ? 0n : 10n ** BigInt(length - 1);
      const low = larger(from, smallest);
      const high = smaller(to, 10n ** BigInt(length) - 1n);
      if (low > high) continue;
      const digits = (value: bigint) => String(value).padStart(length, '0');
      const state = this.#state({
        modulus,
        places,
        left: length,
        remainder: 0n,
        low: digits(low),
        high: digits(high),
      });
      if (state >= 0) starts.push(state);
    }
    return starts;
  }

  /** -1 if no digits lead to a multiple. */
  #state(digits: Digits): number {
    const { modulus, places, left } = digits;
    const low = /[1-9]/.test(digits.low ?? '') ? digits.low : undefined;
    const high = /[0-8]/.test(digits.high ?? '') ? digits.high : undefined;
    // Prefixes are alike if they are so after all digits to come.
    const power = 10n ** BigInt(left);
    const relevant = modulus / greatestCommonDivisor(modulus, power);
    const remainder = digits.remainder % relevant;
    if (left === 0) return remainder === 0n ? this.end : -1;
    if (low === undefined && high === undefined) {
      const nearest = (modulus - ((remainder * power) % modulus)) % modulus;
      if (nearest >= power) return -1;
    }
    const key = `${modulus} ${places} ${left} ${remainder} ${low ?? ''} ${high ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.rows.length >= MAX_STATES) throw new TooManyRemainders();
    const row = new Int32Array(NUM_CLASSES).fill(-1);
    let isDead = true;
    const first = low === undefined ? 0 : Number(low[0]);
    const last = high === undefined ? 9 : Number(high[0]);
    for (let digit = first; digit <= last; digit++) {
      const next = this.#state({
        modulus,
        places,
        left: left - 1,
        remainder: remainder * 10n + BigInt(digit),
        low: digit === first ? low?.slice(1) : undefined,
        high: digit === last ? high?.slice(1) : undefined,
      });
      row[digit] = next < 0 ? -1 : this.#beforePoint(next, places > 0 && left - 1 === places);
      if (next >= 0) isDead = false;
    }
    const state = isDead ? -1 : this.rows.push(row) - 1;
    this.#known.set(key, state);
    return state;
  }

  #beforePoint(next: number, isPlace: boolean): number {
    if (!isPlace) return next;
    const key = `.${next}`;
    let state = this.#known.get(key);
    if (state === undefined) {
      state = this.rows.push(new Int32Array(NUM_CLASSES).fill(-1)) - 1;
      this.rows[state]![POINT] = next;
      this.#known.set(key, state);
    }
    return state;
  }
}

/** The bound in units of a place: the next one within it. @param inward 1n for a lower bound, -1n for an upper one */
function scaled({ value, isExclusive }: Bound, places: number, inward: 1n | -1n): bigint {
  const isNegative = value < 0;
  const { whole, fraction } = decimalDigits(Math.abs(value));
  const kept = BigInt(whole + fraction.padEnd(places, '0').slice(0, places));
  const units = isNegative ? -kept : kept;
  if (!/[1-9]/.test(fraction.slice(places))) return isExclusive ? units + inward : units;
  // Cut off towards 0: one step is missing where that is outward.
  const isOutward = isNegative ? inward === -1n : inward === 1n;
  return isOutward ? units + inward : units;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
