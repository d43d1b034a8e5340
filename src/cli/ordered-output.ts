/** Answers on stdout in the order of the questions; the one whose turn it is as it comes. */
export class OrderedOutput {
  readonly #streams: boolean;
  readonly #lines = new Map<number, object>();
  /** Text of answers whose turn has not come. */
  readonly #early = new Map<number, string>();
  readonly #count: number;
  #next: number;

  constructor(count: number, first: number, streams: boolean) {
    this.#count = count;
    this.#next = first;
    this.#streams = streams;
  }

  piece(index: number, text: string): void {
    if (!this.#streams) return;
    if (index === this.#next) process.stdout.write(text);
    else this.#early.set(index, (this.#early.get(index) ?? '') + text);
  }

  answer(index: number, line: object): void {
    this.#lines.set(index, line);
    for (let due = this.#lines.get(this.#next); due !== undefined; due = this.#lines.get(this.#next)) {
      process.stdout.write(`${this.#streams ? '\n' : ''}${JSON.stringify(due)}\n`);
      this.#lines.delete(this.#next++);
      const early = this.#early.get(this.#next);
      if (early !== undefined && this.#next < this.#count) process.stdout.write(early);
      this.#early.delete(this.#next);
    }
  }
}
