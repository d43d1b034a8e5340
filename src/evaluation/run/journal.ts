/**
 * What an evaluation has been told so far, in the order in which it came: a killed one goes on from there. The first line says
 * which evaluation it is.
 */

import { appendFileSync, closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { InputError } from '../../errors/index.js';
import { fileStatus, writeError } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';
import type { Answered } from './outcome.js';

export class Journal {
  readonly #path: string;
  readonly #known = new Map<string, Answered>();
  #descriptor: number | undefined;

  /**
   * @param fingerprint equal for evaluations that may continue each other
   * @throws InputError for what another evaluation has left, unless it may be overwritten
   */
  constructor(path: string, fingerprint: string, overwrite: boolean) {
    this.#path = path;
    const isThere = fileStatus(path) !== undefined;
    if (isThere && !overwrite) this.#read(fingerprint);
    try {
      if (!isThere || overwrite) {
        this.#descriptor = openSync(path, 'w');
        writeSync(this.#descriptor, `${JSON.stringify({ fingerprint })}\n`);
      } else this.#descriptor = openSync(path, 'a');
    } catch (error) {
      throw writeError(path, error, isThere);
    }
  }

  /** Samples whose answers are there. */
  get size(): number {
    return this.#known.size;
  }

  answerOf(task: string, id: string): Answered | undefined {
    return this.#known.get(keyOf(task, id));
  }

  add(task: string, id: string, answered: Answered): void {
    this.#known.set(keyOf(task, id), answered);
    if (this.#descriptor === undefined) return;
    try {
      appendFileSync(this.#descriptor, `${JSON.stringify({ task, id, answered })}\n`);
    } catch (error) {
      throw writeError(this.#path, error, true);
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** The result is written. */
  remove(): void {
    this.close();
    rmSync(this.#path, { force: true });
  }

  #read(fingerprint: string): void {
    const bytes = readFileSync(this.#path);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const [first = '', ...lines] = bytes.subarray(0, end).toString('utf8').split('\n');
    if (fieldOf(attempt(first), 'fingerprint') !== fingerprint)
      throw new InputError(
        `${this.#path} belongs to an unfinished evaluation with another model, set or options; repeat that one, give another ` +
          '--output, or --overwrite to begin anew.',
      );
    for (const line of lines) {
      const value = attempt(line);
      const [task, id, answered] = [fieldOf(value, 'task'), fieldOf(value, 'id'), fieldOf(value, 'answered')];
      if (typeof task === 'string' && typeof id === 'string' && isAnswered(answered))
        this.#known.set(keyOf(task, id), answered);
    }
    // A line that broke off must not run into the next one.
    if (end < bytes.length) appendFileSync(this.#path, '\n');
  }
}

function keyOf(task: string, id: string): string {
  return `${task} ${id}`;
}

function attempt(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return value;
  } catch {
    return undefined;
  }
}

/** Lines are of our own making: the kind tells that one is whole. */
function isAnswered(value: unknown): value is Answered {
  const kind = fieldOf(value, 'kind');
  return kind === 'outputs' || kind === 'choices' || kind === 'missing';
}
