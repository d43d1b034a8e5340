/**
 * Answers in the order of their questions, whatever the order in which they come. The file grows answer by answer, so that
 * an interrupted batch keeps what it has and goes on from there; a note beside it says which batch it belongs to.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { InputError } from '../../errors/index.js';
import { readJsonFile, writeFileAtomic } from '../../formats/index.js';
import { ReorderBuffer } from './reorder-buffer.js';

export interface AnswerFileOptions {
  /** Equal for batches that may continue each other: the questions and everything that decides the answers. */
  readonly fingerprint: string;
  readonly questions: number;
  /** Begin anew where a file exists. */
  readonly overwrite: boolean;
}

export class AnswerFile {
  readonly #path: string;
  readonly #note: string;
  readonly #lines: ReorderBuffer<string>;

  /** @throws InputError for a file that another batch has left */
  constructor(path: string, { fingerprint, questions, overwrite }: AnswerFileOptions) {
    this.#path = path;
    this.#note = `${path}.unfinished`;
    const written = overwrite ? 0 : this.#resume(fingerprint, questions);
    this.#lines = new ReorderBuffer(written, (lines) => appendFileSync(path, lines.join('')));
    if (written > 0) return;
    writeFileAtomic(path, '');
    writeFileAtomic(this.#note, `${JSON.stringify({ fingerprint, questions })}\n`);
  }

  /** Answers that lie in the file. */
  get written(): number {
    return this.#lines.next;
  }

  /** Takes the answer to a question (from 0) and writes what is next in order. */
  add(question: number, answer: unknown): void {
    this.#lines.add(question, `${JSON.stringify(answer)}\n`);
  }

  /** All answers are there. */
  finish(): void {
    rmSync(this.#note, { force: true });
  }

  /** How many answers an interrupted batch has left; a line that broke off is cut away. */
  #resume(fingerprint: string, questions: number): number {
    if (!existsSync(this.#path)) return 0;
    const wayOut = 'give another --output, or --overwrite to begin anew';
    if (!existsSync(this.#note)) throw new InputError(`${this.#path} exists and is complete; ${wayOut}.`);
    const note = readJsonFile(this.#note);
    const known = typeof note === 'object' && note !== null ? Reflect.get(note, 'fingerprint') : undefined;
    if (known !== fingerprint)
      throw new InputError(
        `${this.#path} holds the answers of an unfinished batch with other questions or options; ` +
          `repeat that batch, ${wayOut}.`,
      );
    const bytes = readFileSync(this.#path);
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end < bytes.length) truncateSync(this.#path, end);
    let lines = 0;
    for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
    if (lines > questions)
      throw new InputError(`${this.#path} has more lines than there are questions; ${wayOut}.`);
    return lines;
  }
}
