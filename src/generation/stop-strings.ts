/** Finds stop strings in streamed text. */
import { InputError } from '../errors/index.js';

/** What may be shown after a piece of text. */
export interface StopStringResult {
  /** Text that is certainly outside a stop string, to be sent on. */
  readonly text: string;
  /** The stop string that ended the stream. */
  readonly stopped: string | undefined;
}

interface Pattern {
  readonly text: string;
  /** Knuth-Morris-Pratt: fallback[n] = longest proper prefix of `text` that ends its first n characters. */
  readonly fallback: Int32Array;
  /** How many characters of `text` the stream ends with now. */
  matched: number;
}

/**
 * Ends a stream of text before the stop string that is complete first (of several complete at once, the
 * longest). Holds back whatever could still become one, so the outcome does not depend on how the text was
 * cut into pieces.
 */
export class StopStringMatcher {
  readonly #patterns: Pattern[];
  #held = '';
  #stopped: string | undefined;

  /** @throws InputError if a stop string is empty */
  constructor(stopStrings: readonly string[]) {
    this.#patterns = stopStrings.map((text, index) => {
      if (text === '') {
        throw new InputError(
          `stop strings: number ${index + 1} of ${stopStrings.length} is empty; leave it out`,
        );
      }
      return { text, fallback: fallbackTable(text), matched: 0 };
    });
  }

  /** The text that a new piece makes certain. After a stop: nothing more. */
  push(piece: string): StopStringResult {
    if (this.#stopped !== undefined) return { text: '', stopped: this.#stopped };
    const pending = this.#held + piece;
    for (let i = this.#held.length; i < pending.length; i++) {
      const stopped = this.#advance(pending.charCodeAt(i));
      if (stopped === undefined) continue;
      this.#held = '';
      this.#stopped = stopped;
      return { text: pending.slice(0, i + 1 - stopped.length), stopped };
    }
    const longestMatch = this.#patterns.reduce((longest, { matched }) => Math.max(longest, matched), 0);
    const certain = pending.length - longestMatch;
    this.#held = pending.slice(certain);
    return { text: pending.slice(0, certain), stopped: undefined };
  }

  /** Gives out what was held back, when the stream has ended otherwise. */
  flush(): StopStringResult {
    const text = this.#held;
    this.#held = '';
    for (const pattern of this.#patterns) pattern.matched = 0;
    return { text, stopped: this.#stopped };
  }

  /** The longest stop string that this UTF-16 unit completes. */
  #advance(unit: number): string | undefined {
    let longest: string | undefined;
    for (const pattern of this.#patterns) {
      pattern.matched = nextMatch(pattern.text, pattern.fallback, pattern.matched, unit);
      if (pattern.matched === pattern.text.length && pattern.matched > (longest?.length ?? 0)) {
        longest = pattern.text;
      }
    }
    return longest;
  }
}

function nextMatch(text: string, fallback: Int32Array, matched: number, unit: number): number {
  while (matched > 0 && text.charCodeAt(matched) !== unit) matched = fallback[matched]!;
  return text.charCodeAt(matched) === unit ? matched + 1 : 0;
}

function fallbackTable(text: string): Int32Array {
  const fallback = new Int32Array(text.length + 1);
  for (let length = 2; length <= text.length; length++) {
    fallback[length] = nextMatch(text, fallback, fallback[length - 1]!, text.charCodeAt(length - 1));
  }
  return fallback;
}
