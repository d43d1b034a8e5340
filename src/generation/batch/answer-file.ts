/**
 * Answers in the order of their questions, whatever the order in which they come. The file grows answer by answer, so that
 * an interrupted batch keeps what it has and goes on from there; a note beside it says which batch it belongs to.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { InputError } from '../../errors/index.js';
import { fileStatus, lockOutput, readJsonFile, writeError, writeFileAtomic } from '../../formats/index.js';
import { ReorderBuffer } from './reorder-buffer.js';

export interface AnswerFileOptions {
  /** Equal for batches that may continue each other: the questions and everything that decides the answers. */
  readonly fingerprint: string;
  readonly questions: number;
  /** Begin anew where a file exists. */
  readonly overwrite: boolean;
}

const WAY_OUT = 'give another --output, or --overwrite to begin anew';

/** `close` it, whatever happened: until then it is locked. */
export class AnswerFile {
  readonly #path: string;
  readonly #note: string;
  readonly #lines: ReorderBuffer<string>;
  readonly #release: () => void;
  readonly #descriptor: number;
  #isClosed = false;

  /** @throws InputError for a file that another batch has left or is writing, a place that cannot be written */
  constructor(path: string, options: AnswerFileOptions) {
    this.#path = path;
    this.#note = `${path}.unfinished`;
    this.#release = lockOutput(path);
    try {
      const { written, bytes } = options.overwrite ? NOTHING : this.#resume(options);
      this.#descriptor = this.#open(bytes, options);
      this.#lines = new ReorderBuffer(written, (lines) => this.#append(lines.join('')));
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Answers that lie in the file. */
  get written(): number {
    return this.#lines.next;
  }

  /** Takes the answer to a question (from 0) and writes what is next in order. @throws InputError if the disk is full */
  add(question: number, answer: unknown): void {
    this.#lines.add(question, `${JSON.stringify(answer)}\n`);
  }

  /** All answers are there: the note goes, once they are on the disk. */
  finish(): void {
    if (this.#isDevice) return;
    try {
      fsyncSync(this.#descriptor);
    } catch (error) {
      throw this.#writeProblem(error);
    }
    rmSync(this.#note, { force: true });
  }

  /** Lets others write to it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
    this.#release();
  }

  get #isDevice(): boolean {
    return fileStatus(this.#path)?.isFile() === false;
  }

  /** @param bytes of the file that stay */
  #open(bytes: number, { fingerprint, questions }: AnswerFileOptions): number {
    const existed = fileStatus(this.#path) !== undefined;
    let descriptor: number | undefined;
    try {
      // The note first: without it a file says that it is whole.
      if (bytes === 0 && !this.#isDevice)
        writeFileAtomic(this.#note, `${JSON.stringify({ fingerprint, questions })}\n`);
      descriptor = openSync(this.#path, 'a');
      if (!this.#isDevice) ftruncateSync(descriptor, bytes);
      return descriptor;
    } catch (error) {
      if (descriptor !== undefined) closeSync(descriptor);
      if (!existed) for (const path of [this.#path, this.#note]) rmSync(path, { force: true });
      throw writeError(this.#path, error, existed);
    }
  }

  #append(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor, bytes, done);
    } catch (error) {
      throw this.#writeProblem(error);
    }
  }

  #writeProblem(error: unknown): unknown {
    const said = writeError(this.#path, error, true);
    if (!(said instanceof InputError) || this.#isDevice) return said;
    const problem = said.message.replace(/ What stood there before is unchanged\.$/, '');
    return new InputError(`${problem} The answers so far are kept; the same command goes on from there.`);
  }

  /** How many answers an interrupted batch has left, and their bytes; a line that broke off does not count. */
  #resume({ fingerprint, questions }: AnswerFileOptions): { written: number; bytes: number } {
    const status = fileStatus(this.#path);
    if (status === undefined || !status.isFile() || status.size === 0) return NOTHING;
    const bytes = readFileSync(this.#path);
    const end = bytes.lastIndexOf(0x0a) + 1;
    let lines = 0;
    for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
    if (fileStatus(this.#note) === undefined) {
      if (lines === questions && end === bytes.length)
        throw new InputError(`${this.#path} exists and is complete; ${WAY_OUT}.`);
      throw new InputError(
        `${this.#path} exists and is not the whole answer to these questions: ${lines} whole lines` +
          `${end < bytes.length ? ' and one that is cut off' : ''} for ${questions} questions, and no ` +
          `${this.#note} that tells which batch it belongs to; ${WAY_OUT}.`,
      );
    }
    const note = readJsonFile(this.#note);
    const known = typeof note === 'object' && note !== null ? Reflect.get(note, 'fingerprint') : undefined;
    if (known !== fingerprint)
      throw new InputError(
        `${this.#path} holds the answers of an unfinished batch with other questions or options; ` +
          `repeat that batch, ${WAY_OUT}.`,
      );
    if (lines > questions)
      throw new InputError(`${this.#path} has more lines than there are questions; ${WAY_OUT}.`);
    return { written: lines, bytes: end };
  }
}

const NOTHING = { written: 0, bytes: 0 };
