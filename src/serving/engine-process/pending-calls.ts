/** Calls to the engine's process that wait for their answer. */
interface PendingCall {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class PendingCalls {
  readonly #pending = new Map<number, PendingCall>();
  #count = 0;

  begin(): { readonly call: number; readonly settled: Promise<void> } {
    const call = ++this.#count;
    const settled = new Promise<void>((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
    });
    return { call, settled };
  }

  settle(call: number, error?: Error): void {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    if (error === undefined) pending?.resolve();
    else pending?.reject(error);
  }

  failAll(error: Error): void {
    for (const call of [...this.#pending.keys()]) this.settle(call, error);
  }
}
