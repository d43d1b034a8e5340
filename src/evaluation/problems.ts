/** What was wrong with rows, recorded outputs and answers: counted by reason, the first of each kept. */

export interface Problem {
  readonly reason: string;
  readonly count: number;
  /** The first ones, at most five. */
  readonly examples: readonly { readonly id: string; readonly message: string }[];
}

const EXAMPLES = 5;

export class Problems {
  readonly #reasons = new Map<string, { count: number; examples: { id: string; message: string }[] }>();

  add(reason: string, id: string, message: string): void {
    const entry = this.#reasons.get(reason) ?? { count: 0, examples: [] };
    entry.count += 1;
    if (entry.examples.length < EXAMPLES) entry.examples.push({ id, message });
    this.#reasons.set(reason, entry);
  }

  get total(): number {
    return [...this.#reasons.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** In the order of their first occurrence. */
  list(): Problem[] {
    return [...this.#reasons].map(([reason, { count, examples }]) => ({ reason, count, examples }));
  }
}
