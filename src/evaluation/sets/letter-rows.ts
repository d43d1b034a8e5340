/** Rows of a question, four options and a letter: CSV with and without header, and records of the hub. */
import { fieldOf } from '../../json/index.js';
import { type Row, RowFault } from './set-reader.js';

export interface LetterRow {
  readonly index: number;
  readonly question: string;
  readonly options: readonly string[];
  /** Null: the set does not say. */
  readonly answer: string | null;
  readonly explanation: string;
  /** As the set numbers it; default its place. */
  readonly id: string;
  /** Where one file holds several. */
  readonly subject: string | undefined;
}

export const LETTERS = ['A', 'B', 'C', 'D'] as const;

/** Names of the columns of a set. */
export interface LetterColumns {
  /** In CSV files: the first row must be this header (further columns may follow); null: there is none. */
  readonly header: readonly string[] | null;
}

/**
 * A reader of rows of one file; undefined where the file is of another form. @param rows all of it; a header is not of them
 * afterwards
 */
export function letterRowReader(
  rows: readonly Row[],
  { header }: LetterColumns,
): { readonly rows: readonly Row[]; readonly read: (row: Row) => LetterRow } | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  if (!Array.isArray(first.value)) {
    const isRecord =
      fieldOf(first.value, 'question') !== undefined || fieldOf(first.value, 'Question') !== undefined;
    return isRecord ? { rows, read: (row) => fromRecord(row, row.index) } : undefined;
  }
  const names = first.value.map(String);
  if (looksLikeHeader(names)) {
    const fits = header === null ? names.includes('question') : header.every((name) => names.includes(name));
    if (!fits) return undefined;
    // The header is no row of the set: indices count from the row behind it.
    return {
      rows: rows.slice(1).map((row) => ({ ...row, index: row.index - 1 })),
      read: (row) => fromRecord({ ...row, value: named(row, names) }, row.index),
    };
  }
  if (header !== null || names.length !== 6) return undefined;
  return {
    rows,
    read: (row) => fromRecord({ ...row, value: named(row, ['question', ...LETTERS, 'answer']) }, row.index),
  };
}

function looksLikeHeader(names: readonly string[]): boolean {
  return LETTERS.every((letter) => names.includes(letter)) && names.some((name) => /^question$/i.test(name));
}

function named(row: Row, names: readonly string[]): Record<string, string> {
  const fields = Array.isArray(row.value) ? row.value.map(String) : [];
  if (fields.length !== names.length)
    throw new RowFault(
      'wrong number of fields',
      `the row has ${fields.length} fields, ${names.length} are needed (${names.map((name) => name || '""').join(', ')}).`,
    );
  return Object.fromEntries(names.map((name, place) => [name, fields[place] ?? '']));
}

function fromRecord({ value }: Row, index: number): LetterRow {
  const text = (...keys: readonly string[]): string | undefined => {
    const found = keys.map((key) => fieldOf(value, key)).find((each) => each !== undefined && each !== null);
    return found === undefined ? undefined : String(found);
  };
  const question = text('question', 'Question');
  if (question === undefined || question.trim() === '')
    throw new RowFault('missing question', 'there is no question in the row.');
  return {
    index,
    question,
    options: optionsOf(value),
    answer: answerOf(text('answer', 'Answer')),
    explanation: text('explanation') ?? '',
    id: text('id') ?? String(index),
    subject: text('subject'),
  };
}

function optionsOf(value: unknown): string[] {
  const listed = fieldOf(value, 'choices');
  const options = Array.isArray(listed)
    ? listed.map(String)
    : LETTERS.map((letter) => {
        const option = fieldOf(value, letter);
        return option === undefined || option === null ? '' : String(option);
      });
  const missing = LETTERS.find((_, place) => (options[place] ?? '').trim() === '');
  if (missing !== undefined) throw new RowFault('missing option', `option ${missing} is missing or empty.`);
  if (options.length !== LETTERS.length)
    throw new RowFault('wrong number of options', `there are ${options.length} options; four are needed.`);
  return options;
}

/** A letter, or the hub's place from 0. */
function answerOf(answer: string | undefined): string | null {
  if (answer === undefined) return null;
  const letter = /^[0-3]$/.test(answer) ? LETTERS[Number(answer)] : answer.trim();
  if (letter === '') return null;
  if (letter !== undefined && LETTERS.some((known) => known === letter)) return letter;
  throw new RowFault(
    'answer out of range',
    `the answer is ${JSON.stringify(answer)}; A, B, C or D is needed.`,
  );
}
