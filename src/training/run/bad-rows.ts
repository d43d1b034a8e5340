/** The rows of a step that was not finite, written down for whoever looks into them. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';

export interface BadStep {
  readonly step: number;
  /** What became of the step. */
  readonly policy: string;
  readonly problem: string;
  /** Numbers of the rows in the data. */
  readonly rows: readonly number[];
}

/** Appends to bad-rows.jsonl in the folder of the run; failing to is a warning. */
export function noteBadRows(output: string, bad: BadStep): void {
  const { policy, problem, rows } = bad;
  log(`${problem} (${policy}); the rows of the step: ${rows.slice(0, 8).join(', ')} (bad-rows.jsonl)`);
  try {
    appendFileSync(join(output, 'bad-rows.jsonl'), `${JSON.stringify(bad)}\n`);
  } catch (error) {
    log(`warning: bad-rows.jsonl could not be written: ${messageOf(error)}`);
  }
}
