/** Numbers of JSON between bounds, digit by digit. */
import type { GrammarBuilder, GrammarNode } from './byte-grammar.js';

export interface NumberBounds {
  /** Default: none. */
  readonly min?: Bound | undefined;
  readonly max?: Bound | undefined;
}

export interface Bound {
  readonly value: number;
  /** Whether the bound itself is left out. */
  readonly isExclusive: boolean;
}

/** Lower bounds from this on, and upper ones to its negative, are refused: doubles there tell too few numbers apart. */
export const MAX_BOUND = 1e15;
/** Doubles keep the order of decimal numbers of so many digits: what is written within bounds is read within them. */
const EXACT_DIGITS = 15;

const NINES = 10n ** BigInt(EXACT_DIGITS) - 1n;

/** Whole numbers, without exponent; up to 19 digits (those of 64 bits) where there are no bounds. */
export function integerGrammar(builder: GrammarBuilder, { min, max }: NumberBounds): GrammarNode {
  if (min === undefined && max === undefined) {
    const positive = builder.sequence([digitRange(builder, 1, 9), builder.repeat(anyDigit(builder), 0, 18)]);
    return builder.choice([
      builder.literal('0'),
      builder.sequence([builder.optional(builder.literal('-')), positive]),
    ]);
  }
  const limit = Number.MAX_SAFE_INTEGER;
  let from = BigInt(Math.max(-limit, Math.ceil(min?.value ?? -limit)));
  let to = BigInt(Math.min(limit, Math.floor(max?.value ?? limit)));
  if (min?.isExclusive && Number(from) === min.value) from += 1n;
  if (max?.isExclusive && Number(to) === max.value) to -= 1n;
  const options: GrammarNode[] = [];
  if (to >= 0n && from <= to) options.push(naturalRange(builder, from > 0n ? from : 0n, to));
  if (from < 0n && from <= to) {
    options.push(builder.sequence([builder.literal('-'), naturalRange(builder, to < 0n ? -to : 1n, -from)]));
  }
  return builder.choice(options);
}

/** Without bounds: every double in the form that JSON.stringify gives it. With bounds: no exponent, 15 digits. */
export function numberGrammar(builder: GrammarBuilder, bounds: NumberBounds): GrammarNode {
  if (bounds.min === undefined && bounds.max === undefined) return unboundedNumber(builder);
  const min = bounds.min && bounds.min.value > -Number(NINES) ? bounds.min : undefined;
  const max = bounds.max && bounds.max.value < Number(NINES) ? bounds.max : undefined;
  const options: GrammarNode[] = [];
  const none = { value: 0, isExclusive: false };
  const farthest = { value: Number(NINES), isExclusive: false };
  if (max === undefined || max.value >= 0) {
    options.push(magnitude(builder, min !== undefined && min.value >= 0 ? min : none, max ?? farthest));
  }
  if (min === undefined || min.value < 0) {
    const negated = ({ value, isExclusive }: Bound) => ({ value: -value, isExclusive });
    // Above 0, since -0 is nobody's wish.
    const nearest = max !== undefined && max.value < 0 ? negated(max) : { value: 0, isExclusive: true };
    options.push(
      builder.sequence([
        builder.literal('-'),
        magnitude(builder, nearest, min === undefined ? farthest : negated(min)),
      ]),
    );
  }
  return builder.choice(options);
}

function unboundedNumber(builder: GrammarBuilder): GrammarNode {
  const digit = anyDigit(builder);
  const firstDigit = digitRange(builder, 1, 9);
  const fraction = builder.optional(builder.sequence([builder.literal('.'), builder.repeat(digit, 1, 24)]));
  const whole = builder.choice([
    builder.literal('0'),
    builder.sequence([firstDigit, builder.repeat(digit, 0, 20)]),
  ]);
  // Exponents whose number is finite.
  const low = builder.repeat(digit, 1, 2);
  const middle = builder.sequence([digitRange(builder, 1, 2), digit, digit]);
  const high = builder.sequence([builder.literal('30'), digitRange(builder, 0, 7)]);
  const negative = builder.sequence([builder.literal('3'), digitRange(builder, 0, 2), digit]);
  const exponent = builder.choice([
    builder.sequence([builder.optional(builder.literals(['+', '-'])), builder.choice([low, middle, high])]),
    builder.sequence([builder.literal('-'), negative]),
  ]);
  const scientific = builder.sequence([firstDigit, fraction, builder.literals(['e', 'E']), exponent]);
  return builder.sequence([
    builder.optional(builder.literal('-')),
    builder.choice([builder.sequence([whole, fraction]), scientific]),
  ]);
}

/** Decimal numbers min..max, both at least 0. */
function magnitude(builder: GrammarBuilder, min: Bound, max: Bound): GrammarNode {
  if (min.value > max.value || (min.value === max.value && (min.isExclusive || max.isExclusive))) {
    return builder.nothing;
  }
  const low = decimalDigits(min.value);
  const high = decimalDigits(max.value);
  const fractions = new FractionRange(builder, min.isExclusive, max.isExclusive);
  // So that all digits together are no more than a double keeps apart.
  const places = (digits: { whole: string; fraction: string }) =>
    Math.max(EXACT_DIGITS - digits.whole.length, digits.fraction.length);
  if (low.whole === high.whole) {
    const longest = Math.max(places(low), places(high));
    return builder.sequence([
      builder.literal(low.whole),
      fractions.node(low.fraction, high.fraction, longest),
    ]);
  }
  const between = (length: number) => fractions.node(undefined, undefined, EXACT_DIGITS - length);
  return builder.choice([
    builder.sequence([builder.literal(low.whole), fractions.node(low.fraction, undefined, places(low))]),
    builder.sequence([builder.literal(high.whole), fractions.node(undefined, high.fraction, places(high))]),
    naturalRange(builder, BigInt(low.whole) + 1n, BigInt(high.whole) - 1n, between),
  ]);
}

/** Nothing, or a point and digits, so that the fraction lies between bounds given by their digits. */
class FractionRange {
  readonly #builder: GrammarBuilder;
  readonly #isLowExclusive: boolean;
  readonly #isHighExclusive: boolean;

  constructor(builder: GrammarBuilder, isLowExclusive: boolean, isHighExclusive: boolean) {
    this.#builder = builder;
    this.#isLowExclusive = isLowExclusive;
    this.#isHighExclusive = isHighExclusive;
  }

  /** @param low without zeros at its end; undefined: no bound on this side */
  node(low: string | undefined, high: string | undefined, places: number): GrammarNode {
    const digits = this.#digits(low, high, places);
    const options = digits.map((node) => this.#builder.sequence([this.#builder.literal('.'), node]));
    if (this.#mayEnd(low, high)) options.push(this.#builder.empty);
    return this.#builder.choice(options);
  }

  /** Whether no more digits, which count as zeros, are within the bounds. */
  #mayEnd(low: string | undefined, high: string | undefined): boolean {
    return (
      (low === undefined || (low === '' && !this.#isLowExclusive)) && !(high === '' && this.#isHighExclusive)
    );
  }

  /** One digit or more. */
  #digits(low: string | undefined, high: string | undefined, places: number): GrammarNode[] {
    if (places <= 0 || high === '') return [];
    const builder = this.#builder;
    if (low === '' && !this.#isLowExclusive) return this.#digits(undefined, high, places);
    if (low === undefined && high === undefined) return [builder.repeat(anyDigit(builder), 1, places)];
    const first = low === undefined ? 0 : Number(low[0] ?? '0');
    const last = high === undefined ? 9 : Number(high[0]);
    const options: GrammarNode[] = [];
    for (let digit = first; digit <= last; digit++) {
      const lowAfter = low !== undefined && digit === first ? low.slice(1) : undefined;
      const highAfter = high !== undefined && digit === last ? high.slice(1) : undefined;
      const rests = this.#digits(lowAfter, highAfter, places - 1);
      if (this.#mayEnd(lowAfter, highAfter)) rests.push(builder.empty);
      options.push(builder.sequence([builder.literal(String(digit)), builder.choice(rests)]));
    }
    return options;
  }
}

/** Digits of a number of at least 0; none at the end of the fraction is 0. */
export function decimalDigits(value: number): { whole: string; fraction: string } {
  const [mantissa, exponent] = String(value).split('e');
  const [whole, fraction = ''] = mantissa!.split('.');
  const shift = Number(exponent ?? 0);
  if (shift === 0) return { whole: whole!, fraction };
  if (shift > 0) return { whole: whole! + fraction.padEnd(shift, '0'), fraction: '' };
  return { whole: '0', fraction: `${'0'.repeat(-shift - 1)}${whole}${fraction}` };
}

/**
 * Whole numbers from..to, at least 0, without leading zeros.
 * @param after what follows a number of so many digits
 */
function naturalRange(
  builder: GrammarBuilder,
  from: bigint,
  to: bigint,
  after: (length: number) => GrammarNode = () => builder.empty,
): GrammarNode {
  const options: GrammarNode[] = [];
  for (let length = String(from).length; length <= String(to).length; length++) {
    const smallest = length === 1 ? 0n : 10n ** BigInt(length - 1);
    const largest = 10n ** BigInt(length) - 1n;
    const low = from > smallest ? from : smallest;
    const high = to < largest ? to : largest;
    if (low > high) continue;
    options.push(builder.sequence([sameLength(builder, String(low), String(high)), after(length)]));
  }
  return builder.choice(options);
}

function sameLength(builder: GrammarBuilder, low: string, high: string): GrammarNode {
  const length = low.length;
  if (length === 0) return builder.empty;
  if (/^0+$/.test(low) && /^9+$/.test(high)) return builder.repeat(anyDigit(builder), length, length);
  const first = Number(low[0]);
  const last = Number(high[0]);
  if (first === last) {
    return builder.sequence([builder.literal(low[0]!), sameLength(builder, low.slice(1), high.slice(1))]);
  }
  const after = (from: number, to: number, rest: GrammarNode) =>
    builder.sequence([digitRange(builder, from, to), rest]);
  const options = [
    after(first, first, sameLength(builder, low.slice(1), '9'.repeat(length - 1))),
    after(last, last, sameLength(builder, '0'.repeat(length - 1), high.slice(1))),
  ];
  if (first + 1 < last) {
    options.push(after(first + 1, last - 1, builder.repeat(anyDigit(builder), length - 1, length - 1)));
  }
  return builder.choice(options);
}

function anyDigit(builder: GrammarBuilder): GrammarNode {
  return digitRange(builder, 0, 9);
}

function digitRange(builder: GrammarBuilder, from: number, to: number): GrammarNode {
  return builder.bytes(new Uint8Array(256).fill(1, 0x30 + from, 0x30 + to + 1));
}
