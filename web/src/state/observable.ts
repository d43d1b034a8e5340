/** A value that components follow. */
import { useLayoutEffect, useReducer, useRef } from 'preact/hooks';

export class Observable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  /** @returns what ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** Draws the component again when what it selects is another value (by Object.is). */
export function useObserved<T, S>(source: Observable<T>, select: (value: T) => S): S {
  const selected = select(source.value);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const latest = useRef({ select, selected });
  latest.current = { select, selected };
  useLayoutEffect(() => {
    const check = (): void => {
      if (!Object.is(latest.current.select(source.value), latest.current.selected)) redraw(undefined);
    };
    check(); // It may have changed between drawing and here.
    return source.subscribe(check);
  }, [source]);
  return selected;
}

export function useValue<T>(source: Observable<T>): T {
  return useObserved(source, (value) => value);
}
