/** Memory shared with the grammar thread: the token mask of one sequence, or an error. */
import { InputError } from '../../errors/index.js';

const STEP = 0;
const STATUS = 1;
const MESSAGE_LENGTH = 2;
const HEADER_BYTES = 16;
const MESSAGE_BYTES = 1008;

const ALLOWED = 0;
const INPUT_ERROR = 1;
const FAULT = 2;

/** A mask takes milliseconds; even with compilations and other sequences before it, this is never reached. */
const WAIT_TIMEOUT_MS = 60_000;

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

  /** Makes the mask, or the error that `compute` throws, the result of the next step. */
  publish(compute: (mask: Uint32Array) => void): void {
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
    Atomics.add(this.#header, STEP, 1);
    Atomics.notify(this.#header, STEP);
  }

  /**
   * Blocks until the result of a step is there; steps count from 1.
   * @throws InputError or Error that was published for it
   */
  wait(step: number): Uint32Array {
    const deadline = performance.now() + WAIT_TIMEOUT_MS;
    for (let done = Atomics.load(this.#header, STEP); done < step; done = Atomics.load(this.#header, STEP)) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error('The grammar thread does not answer.');
      Atomics.wait(this.#header, STEP, done, left);
    }
    if (this.#header[STATUS] === ALLOWED) return this.mask;
    const message = Buffer.from(this.#message.subarray(0, this.#header[MESSAGE_LENGTH])).toString('utf8');
    throw this.#header[STATUS] === INPUT_ERROR ? new InputError(message) : new Error(message);
  }
}
