/** The memory that one sequence shares with the mask thread: what may come next, or why nothing can. */
import { InputError } from '../../errors/index.js';

const STEP = 0;
const STATUS = 1;
const MESSAGE_LENGTH = 2;
/** The step that somebody waits for; 0: none. Set by who waits, taken back by who publishes. */
const WANTED = 3;
const HEADER_BYTES = 16;
const MESSAGE_BYTES = 1008;

const ALLOWED = 0;
const INPUT_ERROR = 1;
const FAULT = 2;

export class MaskBuffer {
  readonly memory: SharedArrayBuffer;
  /** A bit for each token. */
  readonly mask: Uint32Array;
  readonly #header: Int32Array;
  readonly #message: Uint8Array;

  /** @param memory from `MaskBuffer.allocate` */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#message = new Uint8Array(memory, HEADER_BYTES, MESSAGE_BYTES);
    this.mask = new Uint32Array(memory, HEADER_BYTES + MESSAGE_BYTES);
  }

  static allocate(vocabSize: number): MaskBuffer {
    const words = (vocabSize + 31) >>> 5;
    return new MaskBuffer(new SharedArrayBuffer(HEADER_BYTES + MESSAGE_BYTES + 4 * words));
  }

  /** Makes the mask, or the error that `compute` throws, the result of the next step. True: somebody waits for this one. */
  publish(compute: (mask: Uint32Array) => void): boolean {
    let status = ALLOWED;
    try {
      compute(this.mask);
    } catch (error) {
      status = error instanceof InputError ? INPUT_ERROR : FAULT;
      const text = Buffer.from(error instanceof Error ? error.message : String(error)).subarray(
        0,
        MESSAGE_BYTES,
      );
      this.#message.set(text);
      this.#header[MESSAGE_LENGTH] = text.length;
    }
    this.#header[STATUS] = status;
    const step = Atomics.add(this.#header, STEP, 1) + 1;
    const wanted = Atomics.load(this.#header, WANTED);
    return (
      wanted !== 0 && wanted <= step && Atomics.compareExchange(this.#header, WANTED, wanted, 0) === wanted
    );
  }

  /** The result of a step is there; steps count from 1. */
  has(step: number): boolean {
    return Atomics.load(this.#header, STEP) >= step;
  }

  /** Asks to be told of the result of a step. One that was published meanwhile is not told of: look after the call. */
  want(step: number): void {
    Atomics.store(this.#header, WANTED, step);
  }

  /** @throws InputError or Error that was published for the step, RangeError if nothing was */
  take(step: number): Uint32Array {
    if (!this.has(step)) throw new RangeError(`the mask of step ${step} is not there yet`);
    if (this.#header[STATUS] === ALLOWED) return this.mask;
    const message = Buffer.from(this.#message.subarray(0, this.#header[MESSAGE_LENGTH])).toString('utf8');
    throw this.#header[STATUS] === INPUT_ERROR ? new InputError(message) : new Error(message);
  }
}
