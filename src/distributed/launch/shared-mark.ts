/** A step, a phase and a time in memory that two threads share: one writes at any time, the other reads what belongs together. */

const PHASE_BYTES = 60;
/** version, length of the phase, then step and time as float64. */
const HEADER_BYTES = 8 + 16;

export interface MarkReading {
  readonly step: number;
  readonly phase: string;
  /** Since it was written. */
  readonly seconds: number;
}

export class SharedMark {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #text: Uint8Array;

  constructor(shared = new SharedArrayBuffer(HEADER_BYTES + PHASE_BYTES)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, 2);
    this.#numbers = new Float64Array(shared, 8, 2);
    this.#text = new Uint8Array(shared, HEADER_BYTES);
  }

  write(step: number, phase: string): void {
    // An odd version: in the middle of a change.
    Atomics.add(this.#words, 0, 1);
    this.#numbers[0] = step;
    this.#numbers[1] = now();
    this.#words[1] = new TextEncoder().encodeInto(phase, this.#text).written;
    Atomics.add(this.#words, 0, 1);
  }

  /** undefined before the first mark. */
  read(): MarkReading | undefined {
    for (;;) {
      const version = Atomics.load(this.#words, 0);
      if (version === 0) return undefined;
      const [step = 0, time = 0] = this.#numbers;
      const phase = new TextDecoder().decode(this.#text.slice(0, this.#words[1]));
      if (version % 2 === 0 && Atomics.load(this.#words, 0) === version)
        return { step, phase, seconds: now() - time };
    }
  }
}

/** The machine's monotonic clock, the same in every thread. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}
