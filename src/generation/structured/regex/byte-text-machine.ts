/** A machine over characters, read from bytes, with the number of characters between bounds. */
import type { ByteMachine } from '../byte-grammar.js';
import type { CharacterReader } from './character-reader.js';
import { StateLimit } from './state-limit.js';
import type { TextMachine } from './text-machine.js';

export interface LengthBounds {
  readonly min: number;
  /** May be Infinity. */
  readonly max: number;
}

/** Of states times lengths times classes: some tenths of a second. */
const MAX_WORK = 40_000_000;

/**
 * @returns undefined if no text is of such a length
 * @throws StateLimit if states and lengths are too many together
 */
export function byteTextMachine(
  texts: TextMachine,
  reader: CharacterReader,
  bounds: LengthBounds,
  checkTime: () => void,
): ByteMachine | undefined {
  const machine = new CountedMachine(texts, reader, bounds, checkTime);
  return machine.hasTexts ? machine : undefined;
}

/** A state is (characters so far, state of the text, place within a character), as one number. */
class CountedMachine implements ByteMachine {
  readonly start: number;
  readonly byteClasses: Uint16Array;
  readonly #texts: TextMachine;
  readonly #reader: CharacterReader;
  readonly #min: number;
  /** Counts beyond are as good as this one; without an upper bound it is the lower one. */
  readonly #last: number;
  readonly #isBounded: boolean;
  /** [counts, states]: 1 where a text of fitting length can be reached. */
  readonly #alive: Uint8Array;
  /** Per count: how many counts after it have the same row. */
  readonly #sameAfter: Int32Array;
  readonly #rowNumbers: Int32Array;

  constructor(
    texts: TextMachine,
    reader: CharacterReader,
    { min, max }: LengthBounds,
    checkTime: () => void,
  ) {
    this.#texts = texts;
    this.#reader = reader;
    this.#min = min;
    this.#isBounded = max !== Number.POSITIVE_INFINITY;
    this.#last = this.#isBounded ? max : min;
    this.byteClasses = reader.byteClasses;
    this.start = texts.start * reader.numNodes;
    const work = (this.#last + 1) * texts.numStates * texts.classes.count;
    const states = (this.#last + 1) * texts.numStates * reader.numNodes;
    if (work > MAX_WORK || states >= 0xffffffff)
      throw new StateLimit('it needs too many states; give simpler patterns or smaller lengths');
    this.#alive = this.#findAlive(checkTime);
    this.#rowNumbers = this.#numberRows();
    this.#sameAfter = new Int32Array(this.#last + 1);
    for (let count = this.#last - 1; count >= 0; count--) {
      const isSame = this.#rowNumbers[count] === this.#rowNumbers[count + 1];
      this.#sameAfter[count] = isSame ? this.#sameAfter[count + 1]! + 1 : 0;
    }
  }

  get hasTexts(): boolean {
    return this.#alive[this.#texts.start] === 1;
  }

  step(state: number, byte: number): number {
    const { numNodes, next, classesUnder } = this.#reader;
    const node = state % numNodes;
    const place = (state - node) / numNodes;
    const target = next[node * 256 + byte]!;
    if (target < 0) return -1;
    if (target >= numNodes) {
      const after = this.#after(place, target - numNodes);
      return after < 0 ? -1 : after * numNodes;
    }
    const goesOn = classesUnder[target]!.some((each) => this.#after(place, each) >= 0);
    return goesOn ? place * numNodes + target : -1;
  }

  isAccepting(state: number): boolean {
    const { numNodes } = this.#reader;
    if (state % numNodes !== 0) return false;
    const place = state / numNodes;
    const text = place % this.#texts.numStates;
    return (place - text) / this.#texts.numStates >= this.#min && this.#texts.accepting[text] === 1;
  }

  placeOf(state: number, horizonBytes: number): string {
    const { numNodes } = this.#reader;
    const { numStates } = this.#texts;
    const place = Math.floor(state / numNodes);
    const count = Math.floor(place / numStates);
    const isFar =
      this.#sameAfter[count]! >= horizonBytes && (count >= this.#min || count + horizonBytes < this.#min);
    return `${state - count * numStates * numNodes}:${isFar ? `=${this.#rowNumbers[count]}${count >= this.#min}` : count}`;
  }

  /** Count and state of the text after a character. */
  #after(place: number, each: number): number {
    const { numStates, next, classes } = this.#texts;
    const text = place % numStates;
    const target = next[text * classes.count + each]!;
    if (target < 0) return -1;
    const count = (place - text) / numStates;
    const following = this.#isBounded ? count + 1 : Math.min(count + 1, this.#last);
    if (following > this.#last) return -1;
    const after = following * numStates + target;
    return this.#alive[after] === 1 ? after : -1;
  }

  #findAlive(checkTime: () => void): Uint8Array {
    const { numStates, next, accepting, classes } = this.#texts;
    const alive = new Uint8Array((this.#last + 1) * numStates);
    // Without an upper bound the last row counts on for ever: every state there leads to some text.
    if (!this.#isBounded) alive.fill(1, this.#last * numStates);
    for (let count = this.#isBounded ? this.#last : this.#last - 1; count >= 0; count--) {
      if (count % 64 === 0) checkTime();
      const row = count * numStates;
      for (let state = 0; state < numStates; state++) {
        let isAlive = count >= this.#min && accepting[state] === 1;
        if (count < this.#last) {
          for (let each = 0; !isAlive && each < classes.count; each++) {
            const target = next[state * classes.count + each]!;
            isAlive = target >= 0 && alive[row + numStates + target] === 1;
          }
        }
        if (isAlive) alive[row + state] = 1;
      }
    }
    return alive;
  }

  #numberRows(): Int32Array {
    const { numStates } = this.#texts;
    const known = new Map<string, number>();
    const numbers = new Int32Array(this.#last + 1);
    for (let count = 0; count <= this.#last; count++) {
      const key = Buffer.from(this.#alive.subarray(count * numStates, (count + 1) * numStates)).toString(
        'latin1',
      );
      const number = known.get(key) ?? known.size;
      known.set(key, number);
      numbers[count] = number;
    }
    return numbers;
  }
}
