/** qa_data.json and data_exception.json: a JSON object a line, as the published tool writes them. */
import { appendFileSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonLines, writeError } from '../../formats/index.js';
import { promptSchema } from '../prompts/teacher-prompt.js';

export const QA_FILE = 'qa_data.json';
export const EXCEPTION_FILE = 'data_exception.json';
/** Answers to prompts that are no longer asked. */
export const OTHER_QA_FILE = 'qa_data-other.json';

const qaSchema = promptSchema.partial().extend({
  input: z.string().min(1),
  target: z.string().min(1),
  /** Of the prompt; lines of the published tool have none. */
  key: z.string().optional(),
});

/** A question with its answer, and what is known of it. */
export type QaLine = z.output<typeof qaSchema>;

export interface ExceptionLine {
  /** The question and the whole prompt, as the published tool has them. */
  readonly Q: string;
  readonly data: string;
  readonly id: string;
  readonly key: string;
  readonly reason: string;
  readonly message: string;
}

/**
 * @param bearsEnd a last line that broke off with its run is passed over
 * @throws InputError naming the line
 */
export function readQaLines(
  path: string,
  { bearsEnd = false }: { readonly bearsEnd?: boolean } = {},
): QaLine[] {
  if (bearsEnd && fileStatus(path) === undefined) return [];
  const breaksOff = bearsEnd && !readFileSync(path, 'utf8').endsWith('\n');
  const lines: QaLine[] = [];
  try {
    for (const { line, value } of readJsonLines(path)) {
      const found = qaSchema.safeParse(value);
      if (!found.success) {
        const [issue] = found.error.issues;
        throw new InputError(
          `${path}:${line}: "${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}; a line is {"input": "…", "target": "…"}.`,
        );
      }
      lines.push(found.data);
    }
  } catch (error) {
    // Lines come one by one: only the last can have broken off.
    if (breaksOff && error instanceof InputError && error.message.includes('not valid JSON')) return lines;
    throw error;
  }
  return lines;
}

/** @throws InputError where it cannot be written */
export function appendLine(path: string, line: object): void {
  try {
    appendFileSync(path, `${JSON.stringify(line)}\n`);
  } catch (error) {
    throw writeError(path, error, true);
  }
}

export function linesText(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
