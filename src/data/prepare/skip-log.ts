/** Records that are in no row, each with its reason: a line of skipped.jsonl. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from '../../formats/index.js';
import type { SkippedRecord } from '../sample.js';
import { SkipReport } from '../skip-report.js';

export const SKIPPED_FILE = 'skipped.jsonl';

/** Stages that leave records out, in the order in which the file lists them. */
const STAGES = ['read', 'clean', 'duplicate', 'contaminated', 'encode', 'too long', 'not drawn'] as const;
type Stage = (typeof STAGES)[number];

const BUFFER_CHARACTERS = 2 ** 18;

/**
 * Stages run at the same time on several threads; each writes a file of its own, so that the whole is the same for any
 * number of them. Nothing grows with the number of records.
 */
export class SkipLog {
  readonly #folder: string;
  readonly #buffers = new Map<Stage, string>();

  constructor(folder: string) {
    this.#folder = folder;
    for (const stage of STAGES) writeFileSync(this.#path(stage), '');
  }

  add(stage: Stage, { file, line, reason, message }: SkippedRecord): void {
    const text = `${this.#buffers.get(stage) ?? ''}${JSON.stringify({ file, line, reason, message })}\n`;
    this.#buffers.set(stage, text);
    if (text.length > BUFFER_CHARACTERS) this.#flush(stage);
  }

  /** Writes skipped.jsonl. */
  finish(): SkipReport {
    const whole = join(this.#folder, SKIPPED_FILE);
    writeFileSync(whole, '');
    for (const stage of STAGES) {
      this.#flush(stage);
      appendFileSync(whole, readFileSync(this.#path(stage)));
      rmSync(this.#path(stage));
    }
    const report = new SkipReport();
    // Written above, line by line.
    for (const { value } of readJsonLines(whole)) report.add(value as SkippedRecord);
    return report;
  }

  #flush(stage: Stage): void {
    appendFileSync(this.#path(stage), this.#buffers.get(stage) ?? '');
    this.#buffers.set(stage, '');
  }

  #path(stage: Stage): string {
    return join(this.#folder, `.${stage.replace(' ', '-')}.jsonl`);
  }
}
