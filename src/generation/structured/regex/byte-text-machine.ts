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

/** A counted machine as plain data. */
export interface CountedTables {
  readonly kind: 'counted';
  readonly texts: TextTables;
  readonly reader: CharacterReader;
  readonly min: number;
  /** Counts beyond are as good as this one; without an upper bound it is the lower one. */
  readonly last: number;
  readonly isBounded: boolean;
  /** [counts, states]: 1 where a text of fitting length can be reached. */
  readonly alive: Uint8Array;
  readonly rowNumbers: Int32Array;
  /** Per count: how many counts after it have the same row. */
  readonly sameAfter: Int32Array;
}

/** What is left of a TextMachine once its classes have been put into a reader. */
interface TextTables extends Omit<TextMachine, 'classes'> {
  readonly classCount: number;
}

/**
 * @returns undefined if no text is of such a length
 * @throws StateLimit if states and lengths are too many together
 */
export function byteTextMachine(
  { classes, ...machine }: TextMachine,
  reader: CharacterReader,
  { min, max }: LengthBounds,
  checkTime: () => void,
): ByteMachine | undefined {
  const texts = { ...machine, classCount: classes.count };
  const isBounded = max !== Number.POSITIVE_INFINITY;
  const last = isBounded ? max : min;
  const work = (last + 1) * texts.numStates * texts.classCount;
  const states = (last + 1) * texts.numStates * reader.numNodes;
  if (work > MAX_WORK || states >= 0xffffffff)
    throw new StateLimit('it needs too many states; give simpler patterns or smaller lengths');
  const alive = findAlive(texts, { min, last, isBounded }, checkTime);
  if (alive[texts.start] !== 1) return undefined;
  const rowNumbers = numberRows(alive, texts.numStates, last);
  const sameAfter = new Int32Array(last + 1);
  for (let count = last - 1; count >= 0; count--) {
    const isSame = rowNumbers[count] === rowNumbers[count + 1];
    sameAfter[count] = isSame ? sameAfter[count + 1]! + 1 : 0;
  }
  return countedMachine({
    kind: 'counted',
    texts,
    reader,
    min,
    last,
    isBounded,
    alive,
    rowNumbers,
    sameAfter,
  });
}

export function countedMachine(tables: CountedTables): ByteMachine {
  return new CountedMachine(tables);
}

/** A state is (characters so far, state of the text, position within a character), as one number. */
class CountedMachine implements ByteMachine {
  readonly tables: CountedTables;
  readonly start: number;
  readonly byteClasses: Uint16Array;

  constructor(tables: CountedTables) {
    this.tables = tables;
    this.byteClasses = tables.reader.byteClasses;
    this.start = tables.texts.start * tables.reader.numNodes;
  }

  step(state: number, byte: number): number {
    const { numNodes, next, classesUnder } = this.tables.reader;
    const node = state % numNodes;
    const position = (state - node) / numNodes;
    const target = next[node * 256 + byte]!;
    if (target < 0) return -1;
    if (target >= numNodes) {
      const after = this.#after(position, target - numNodes);
      return after < 0 ? -1 : after * numNodes;
    }
    const goesOn = classesUnder[target]!.some((each) => this.#after(position, each) >= 0);
    return goesOn ? position * numNodes + target : -1;
  }

  isAccepting(state: number): boolean {
    const { numNodes } = this.tables.reader;
    if (state % numNodes !== 0) return false;
    const position = state / numNodes;
    const text = position % this.tables.texts.numStates;
    return (
      (position - text) / this.tables.texts.numStates >= this.tables.min &&
      this.tables.texts.accepting[text] === 1
    );
  }

  positionOf(state: number, horizonBytes: number): string {
    const { numNodes } = this.tables.reader;
    const { numStates } = this.tables.texts;
    const position = Math.floor(state / numNodes);
    const count = Math.floor(position / numStates);
    const isFar =
      this.tables.sameAfter[count]! >= horizonBytes &&
      (count >= this.tables.min || count + horizonBytes < this.tables.min);
    return `${state - count * numStates * numNodes}:${isFar ? `=${this.tables.rowNumbers[count]}${count >= this.tables.min}` : count}`;
  }

  /** Count and state of the text after a character. */
  #after(position: number, each: number): number {
    const { numStates, next, classCount } = this.tables.texts;
    const text = position % numStates;
    const target = next[text * classCount + each]!;
    if (target < 0) return -1;
    const count = (position - text) / numStates;
    const following = this.tables.isBounded ? count + 1 : Math.min(count + 1, this.tables.last);
    if (following > this.tables.last) return -1;
    const after = following * numStates + target;
    return this.tables.alive[after] === 1 ? after : -1;
  }
}

/** [counts, states] */
function findAlive(
  { numStates, next, accepting, classCount }: TextTables,
  { min, last, isBounded }: Pick<CountedTables, 'min' | 'last' | 'isBounded'>,
  checkTime: () => void,
): Uint8Array {
  const alive = new Uint8Array((last + 1) * numStates);
  // Without an upper bound the last row counts on for ever: every state there leads to some text.
  if (!isBounded) alive.fill(1, last * numStates);
  for (let count = isBounded ? last : last - 1; count >= 0; count--) {
    if (count % 64 === 0) checkTime();
    const row = count * numStates;
    for (let state = 0; state < numStates; state++) {
      let isAlive = count >= min && accepting[state] === 1;
      if (count < last) {
        for (let each = 0; !isAlive && each < classCount; each++) {
          const target = next[state * classCount + each]!;
          isAlive = target >= 0 && alive[row + numStates + target] === 1;
        }
      }
      if (isAlive) alive[row + state] = 1;
    }
  }
  return alive;
}

/** Equal numbers for equal rows. */
function numberRows(alive: Uint8Array, numStates: number, last: number): Int32Array {
  const known = new Map<string, number>();
  const numbers = new Int32Array(last + 1);
  for (let count = 0; count <= last; count++) {
    const key = Buffer.from(alive.subarray(count * numStates, (count + 1) * numStates)).toString('latin1');
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    numbers[count] = number;
  }
  return numbers;
}
