/** A typed array that grows by doubling: numbers of millions of samples without an object for each. */

type Growable = Int32Array | Uint32Array | Float64Array;

export class GrowingArray<Values extends Growable> {
  readonly #allocate: (length: number) => Values;
  #values: Values;
  #length = 0;

  /** @param allocate e.g. `(length) => new Uint32Array(length)` */
  constructor(allocate: (length: number) => Values) {
    this.#allocate = allocate;
    this.#values = allocate(1024);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = this.#allocate(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  at(index: number): number {
    if (!(index >= 0 && index < this.#length)) throw new RangeError(`index ${index} of ${this.#length}`);
    return this.#values[index]!;
  }

  /** What was pushed; later pushes may not show in it. */
  view(): Values {
    // subarray of a Values is a Values; TypeScript widens it to the union's common signature.
    return this.#values.subarray(0, this.#length) as Values;
  }
}

/** A value of an array that is known to be there. */
export function valueAt(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} of ${values.length}`);
  return value;
}
