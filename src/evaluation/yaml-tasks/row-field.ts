/** What a key of a task makes of a row: the value of a column, or a text from a template. */
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { TextTemplate } from '../../templates/index.js';
import { RowFault } from '../sets/set-reader.js';

/** A row by the names of its columns. */
export type RowRecord = Readonly<Record<string, unknown>>;

export class RowField {
  readonly #source: string;
  readonly #place: string;
  readonly #template: TextTemplate;

  /**
   * @param source the name of a column, or a Jinja template over the columns
   * @param place "<file>:<line>: <key>", for messages
   * @throws InputError for a faulty template
   */
  constructor(source: string, place: string) {
    this.#source = source;
    this.#place = place;
    try {
      this.#template = new TextTemplate(source);
    } catch (error) {
      if (error instanceof InputError) throw new InputError(`${place}: ${error.message}.`);
      throw error;
    }
  }

  /** The column of that name, as it is. */
  columnOf(row: RowRecord): { readonly value: unknown } | undefined {
    return Object.hasOwn(row, this.#source) ? { value: row[this.#source] } : undefined;
  }

  /** @param more values beside the columns. @throws RowFault for a row that the template cannot be rendered with */
  textOf(row: RowRecord, more: RowRecord = {}): string {
    const column = this.columnOf(row);
    if (column !== undefined) {
      if (column.value === null || column.value === undefined)
        throw new RowFault('missing field', `${this.#place}: the column "${this.#source}" is empty.`);
      if (typeof column.value !== 'object') return String(column.value);
    }
    return this.render(row, more);
  }

  /** The template's text, also where a column has the same name. */
  render(row: RowRecord, more: RowRecord = {}): string {
    const values = { ...row, ...more };
    try {
      return this.#template.render(values);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const names = Object.keys(values);
      const missing = /^'(\w+)' is undefined/.exec(error.message)?.[1];
      const hint = missing === undefined ? '' : didYouMeanHint(missing, names);
      throw new RowFault(
        missing === undefined ? 'template fails' : 'missing field',
        `${this.#place}: ${error.message}.${hint} The row has ${names.join(', ')}.`,
      );
    }
  }
}
