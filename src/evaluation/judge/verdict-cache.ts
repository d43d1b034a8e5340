/**
 * What judges wrote, by the hash of all that it follows from (judge, rubric, prompt, answers): a question is put to a judge
 * once. Texts are kept, not what was read in them. Several runs may share one file; lines are appended as they come.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../errors/index.js';
import { checkWritable, fileStatus, writeError } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';

export class VerdictCache {
  readonly path: string;
  readonly #known = new Map<string, readonly string[]>();
  #descriptor: number | undefined;

  /** @throws InputError for a file that is something else, or cannot be written */
  constructor(path: string) {
    this.path = path;
    const status = fileStatus(path);
    if (status !== undefined && !status.isFile())
      throw new InputError(`--judge-cache ${path} is no file; name one for the judge's texts.`);
    if (status !== undefined) this.#read();
    checkWritable(path);
  }

  #endsMidLine = false;

  /** What was written at each attempt; undefined: never asked. */
  get(key: string): readonly string[] | undefined {
    return this.#known.get(key);
  }

  add(key: string, texts: readonly string[]): void {
    this.#known.set(key, texts);
    try {
      this.#descriptor ??= this.#open();
      appendFileSync(this.#descriptor, `${JSON.stringify({ key, texts })}\n`);
    } catch (error) {
      throw writeError(this.path, error, true);
    }
  }

  /** Made with the first line: a run that is refused leaves no file. */
  #open(): number {
    mkdirSync(dirname(this.path), { recursive: true });
    const descriptor = openSync(this.path, 'a');
    // A line that broke off must not run into the next one.
    if (this.#endsMidLine) appendFileSync(descriptor, '\n');
    return descriptor;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #read(): void {
    const content = readFileSync(this.path, 'utf8');
    this.#endsMidLine = content !== '' && !content.endsWith('\n');
    const lines = content.split('\n').filter((line) => line.trim() !== '');
    for (const line of lines) {
      const value = attempt(line);
      const key = fieldOf(value, 'key');
      const texts = fieldOf(value, 'texts');
      if (typeof key === 'string' && isTexts(texts)) this.#known.set(key, texts);
    }
    // One line may have broken off with its run; a file without any is somebody's own.
    if (lines.length > 1 && this.#known.size === 0)
      throw new InputError(
        `--judge-cache ${this.path} holds no line of {"key", "texts"}: it is something else; name another file.`,
      );
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
}

function attempt(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return value;
  } catch {
    return undefined;
  }
}
