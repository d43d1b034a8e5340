/** Restores the order of numbered items that arrive in any order. */
export class ReorderBuffer<Item> {
  readonly #early = new Map<number, Item>();
  readonly #write: (items: readonly Item[]) => void;
  #next: number;

  /** @param first number that `write` is to get first @param write called with those whose turn has come */
  constructor(first: number, write: (items: readonly Item[]) => void) {
    this.#next = first;
    this.#write = write;
  }

  /** The number whose turn is next. */
  get next(): number {
    return this.#next;
  }

  add(number: number, item: Item): void {
    this.#early.set(number, item);
    const due: Item[] = [];
    for (let each = this.#early.get(this.#next); each !== undefined; each = this.#early.get(this.#next)) {
      due.push(each);
      this.#early.delete(this.#next++);
    }
    if (due.length > 0) this.#write(due);
  }
}
