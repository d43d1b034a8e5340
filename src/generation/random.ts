/** The counter-based random numbers of sampling: a stream for each sequence. */
import { InputError } from '../errors/index.js';
import { checkSeed } from './sampling-parameters.js';

/** All there is to know about a generator, as JSON. */
export interface RandomState {
  /** Unsigned 64-bit seed in decimal; a string because JSON numbers lose bits beyond 2^53. */
  readonly seed: string;
  readonly stream: number;
  /** Uniform numbers drawn so far. */
  readonly draws: number;
}

/**
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * Counter-based: draw n is a pure function of (seed, stream, n). A sequence therefore draws the same whatever
 * is batched beside it, and one that was preempted resumes by its number of draws alone.
 */
export class Random {
  readonly #seed: bigint;
  readonly #stream: number;
  readonly #key: readonly [number, number];
  readonly #block = new Uint32Array(4);
  #draws: number;

  /**
   * @param seed whole number from -2^63 to 2^64-1, taken modulo 2^64
   * @param stream independent sequence of the same seed, 0 to 2^32-1
   * @param draws how many numbers count as drawn already
   */
  constructor(seed: number | bigint, stream = 0, draws = 0) {
    checkSeed(seed);
    checkWhole('stream', stream, 2 ** 32 - 1);
    checkWhole('draws', draws, Number.MAX_SAFE_INTEGER);
    this.#seed = BigInt.asUintN(64, BigInt(seed));
    this.#key = [Number(this.#seed & 0xffffffffn), Number(this.#seed >> 32n)];
    this.#stream = stream;
    this.#draws = draws;
    if (draws % 2 === 1) this.#fillBlock();
  }

  static fromState(state: RandomState): Random {
    if (!/^\d{1,20}$/.test(state.seed)) {
      throw new InputError(`random state: seed is "${state.seed}"; expected an unsigned 64-bit decimal`);
    }
    return new Random(BigInt(state.seed), state.stream, state.draws);
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const half = (this.#draws % 2) * 2; // one block serves two draws
    if (half === 0) this.#fillBlock();
    this.#draws += 1;
    const high = this.#block[half]! >>> 5; // 27 bits
    const low = this.#block[half + 1]! >>> 6; // 26 bits
    return (high * 2 ** 26 + low) * 2 ** -53;
  }

  state(): RandomState {
    return { seed: this.#seed.toString(), stream: this.#stream, draws: this.#draws };
  }

  #fillBlock(): void {
    const index = Math.floor(this.#draws / 2);
    const block = this.#block;
    block[0] = index; // modulo 2^32 by the array's type
    block[1] = Math.floor(index / 2 ** 32);
    block[2] = this.#stream;
    block[3] = 0;
    philox4x32(block, this.#key[0], this.#key[1]);
  }
}

/** Ten rounds in place on a counter of four 32-bit words under a key of two. */
export function philox4x32(counter: Uint32Array, key0: number, key1: number): void {
  let [c0, c1, c2, c3] = [counter[0]!, counter[1]!, counter[2]!, counter[3]!];
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ key0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ key1) >>> 0;
    c3 = low0 >>> 0;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers, by 16-bit halves (each sum < 2^53). */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carried = aLow * bHigh + (middle % 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000);
}

function checkWhole(name: string, value: number, largest: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > largest) {
    throw new InputError(`random: ${name} is ${value}; expected a whole number from 0 to ${largest}`);
  }
}
