/** Replacement in text that arrives in parts. */
import type { DecodeStream } from './tokenizer.js';

/** Replaces `pattern` in a text that arrives in parts, holding back only what may be the start of one. */
export class TextReplacer {
  readonly #pattern: string;
  readonly #replacement: string;
  #held = '';

  /** @param pattern is not empty. */
  constructor(pattern: string, replacement: string) {
    this.#pattern = pattern;
    this.#replacement = replacement;
  }

  push(part: string): string {
    const text = this.#held + part;
    const pattern = this.#pattern;
    // Matches are found from the left, so what is held back starts after the last of them.
    let keep = 0;
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, keep))
      keep = at + pattern.length;
    keep = Math.max(keep, text.length - pattern.length + 1);
    while (keep < text.length && !pattern.startsWith(text.slice(keep))) keep += 1;
    this.#held = text.slice(keep);
    return this.#replace(text.slice(0, keep));
  }

  end(): string {
    const rest = this.#replace(this.#held);
    this.#held = '';
    return rest;
  }

  #replace(text: string): string {
    return text.replaceAll(this.#pattern, () => this.#replacement);
  }
}

/** A stream of decoded text with every `pattern` replaced. */
export class ReplaceStream implements DecodeStream {
  readonly #inner: DecodeStream;
  readonly #replacer: TextReplacer;

  constructor(inner: DecodeStream, pattern: string, replacement: string) {
    this.#inner = inner;
    this.#replacer = new TextReplacer(pattern, replacement);
  }

  push(id: number): string {
    return this.#replacer.push(this.#inner.push(id));
  }

  end(): string {
    return this.#replacer.push(this.#inner.end()) + this.#replacer.end();
  }
}
