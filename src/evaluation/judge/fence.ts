/**
 * Marks around what is to be judged. What stands between them was written by a model and may try to speak to the judge: the
 * marks hold a word that follows from the whole text, so that no text can hold its own end mark.
 */
import { createHash } from 'node:crypto';

export class Fence {
  /** Twelve letters of a hash; known to whoever knows the whole text alone. */
  readonly word: string;

  /** @param texts everything that is to stand between marks */
  constructor(texts: readonly string[]) {
    let word = '';
    for (let round = 0; word === '' || texts.some((text) => text.includes(word)); round++)
      word = createHash('sha256')
        .update(JSON.stringify([round, ...texts]))
        .digest('hex')
        .slice(0, 12);
    this.word = word;
  }

  /** @param name what it is, e.g. "ASSISTANT 2" */
  around(name: string, text: string): string {
    return `[${this.word} BEGIN ${name}]\n${text}\n[${this.word} END ${name}]`;
  }
}
