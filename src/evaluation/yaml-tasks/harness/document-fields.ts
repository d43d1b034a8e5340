/** What the keys doc_to_text, doc_to_target and doc_to_choice make of a row, as lm-evaluation-harness reads them. */
import { InputError } from '../../../errors/index.js';
import { parsePythonLiteral } from '../../graders/python-literal.js';
import { RowFault } from '../../sets/set-reader.js';
import { RowField, type RowRecord } from '../row-field.js';
import type { KeyPlaces } from '../task-file.js';

/** A text, the place of a choice, or several of either. */
export type Target = string | number | readonly (string | number)[] | null;

export type TextSource = string | number;
export type TargetSource = string | number | readonly string[];
export type ChoiceSource = string | readonly string[];

type Read<Value> = (row: RowRecord) => Value;

/** @param hasChoices then a number is a place. @returns a number where each choice is a context of its own */
export function textReader(
  source: TextSource,
  hasChoices: boolean,
  file: KeyPlaces,
  key: string,
): Read<string | number> {
  if (typeof source === 'number') return () => source;
  const field = new RowField(source, file.placeOf(key));
  return (row) => {
    const column = field.columnOf(row);
    if (column !== undefined) {
      if (typeof column.value === 'string') return column.value;
      if (typeof column.value === 'number') return hasChoices ? column.value : String(column.value);
      throw new RowFault(
        'wrong field',
        `${file.placeOf(key)}: "${source}" is ${JSON.stringify(column.value)}; a text is needed.`,
      );
    }
    const text = field.render(row);
    return hasChoices && isDigits(text) ? Number(text) : text;
  };
}

export function targetReader(
  source: TargetSource,
  hasChoices: boolean,
  file: KeyPlaces,
  key: string,
): Read<Target> {
  if (typeof source !== 'string') return () => source;
  const field = new RowField(source, file.placeOf(key));
  return (row) => {
    const column = field.columnOf(row);
    if (column !== undefined) return targetOf(column.value);
    const text = field.render(row);
    if (hasChoices && isDigits(text)) return Number(text);
    if (text.length >= 2 && text.startsWith('[') && text.endsWith(']')) {
      try {
        return targetOf(parsePythonLiteral(text, key));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    }
    return text;
  };
}

export function choiceReader(source: ChoiceSource, file: KeyPlaces, key: string): Read<readonly string[]> {
  if (typeof source !== 'string') return () => source;
  const field = new RowField(source, file.placeOf(key));
  return (row) => {
    const column = field.columnOf(row);
    const value = column === undefined ? literalOf(field.render(row), file.placeOf(key)) : column.value;
    if (Array.isArray(value) && value.length > 0) return value.map(String);
    throw new RowFault(
      'missing option',
      `${file.placeOf(key)}: ${JSON.stringify(value)} is no list of choices.`,
    );
  };
}

function literalOf(text: string, place: string): unknown {
  try {
    return parsePythonLiteral(text, place);
  } catch (error) {
    if (error instanceof InputError) throw new RowFault('wrong field', error.message);
    throw error;
  }
}

function targetOf(value: unknown): Target {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((each) => (typeof each === 'number' ? each : String(each)));
  throw new RowFault(
    'wrong field',
    `the target is ${JSON.stringify(value)}; a text, a number or a list is needed.`,
  );
}

function isDigits(text: string): boolean {
  return /^\p{Nd}+$/u.test(text);
}
