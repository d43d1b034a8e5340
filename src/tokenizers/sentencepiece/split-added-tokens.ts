/** Splits added tokens out of a text before SentencePiece sees it. */
import type { AddedToken } from '../added-token.js';
import { Trie } from '../trie.js';

/** A stretch of plain text, or an added token. */
export type TextPart = string | AddedToken;

/**
 * Cuts added tokens out of a text, leftmost and longest first, by the rules of the Hugging Face tokenizers that
 * wrap a SentencePiece model: a `singleWord` token with anything but a space at its side is given back to its
 * left neighbour, else to its right one, and stays text there.
 */
export class AddedTokenSplitter {
  readonly #trie = new Trie();
  readonly #tokens = new Map<string, AddedToken>();

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      this.#trie.add(token.content, 0);
      this.#tokens.set(token.content, token);
    }
  }

  split(text: string): TextPart[] {
    const parts = this.#cut(text);
    for (let index = 0; index < parts.length; index++) {
      const token = this.#tokens.get(parts[index]!);
      if (!token) continue;
      const left = parts[index - 1];
      const right = parts[index + 1];
      if (token.rstrip && right) parts[index + 1] = right.trimStart();
      if (token.lstrip && left) parts[index - 1] = left.trimEnd();
      if (!token.singleWord) continue;
      if (left && !left.endsWith(' ')) parts[index - 1] += token.content;
      else if (right && !right.startsWith(' ')) parts[index + 1] = token.content + parts[index + 1];
      else continue;
      parts[index] = '';
    }
    return parts.filter((part) => part !== '').map((part) => this.#tokens.get(part) ?? part);
  }

  #cut(text: string): string[] {
    const parts: string[] = [];
    let start = 0;
    for (let index = 0; index < text.length; ) {
      const length = this.#trie.longestMatch(text, index);
      if (length === 0) {
        index += 1;
        continue;
      }
      if (start < index) parts.push(text.slice(start, index));
      parts.push(text.slice(index, index + length));
      index += length;
      start = index;
    }
    if (start < text.length) parts.push(text.slice(start));
    return parts;
  }
}
