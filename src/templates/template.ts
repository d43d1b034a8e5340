import { globalValues } from './globals.js';
import { runTemplate } from './interpreter.js';
import { parseTemplate } from './parser.js';
import type { Statement } from './syntax.js';
import { toValue } from './values.js';

export interface RenderOptions {
  /** What `strftime_now` prints. Default: the present, in the local time zone. */
  readonly now?: () => Date;
  /** Statements, expressions and items gone over. Default 5,000,000: some seconds. */
  readonly maxSteps?: number;
  /** Characters of the text and of each value. Default 4,000,000. */
  readonly maxLength?: number;
}

/**
 * A Jinja template for chats, read as transformers reads it: `trim_blocks`, `lstrip_blocks`, `break` and `continue`, no
 * escaping, `tojson` that keeps every character, `raise_exception`, `strftime_now`, blocks of `generation`, and values that
 * cannot be changed. It runs on this thread; templates of strangers belong into a TemplateRenderer.
 */
export class ChatTemplate {
  readonly #statements: readonly Statement[];

  /** @throws TemplateError with the line, for faults and for filters, tests and statements that there are not */
  constructor(source: string) {
    this.#statements = parseTemplate(source);
  }

  /**
   * @param values plain data, as JSON has it
   * @throws TemplateError with the line, also for what the template itself raises or beyond a limit
   */
  render(
    values: Readonly<Record<string, unknown>>,
    { now = () => new Date(), maxSteps = 5_000_000, maxLength = 4_000_000 }: RenderOptions = {},
  ): string {
    const globals = globalValues(now);
    for (const [name, value] of Object.entries(values))
      if (value !== undefined) globals.set(name, toValue(value));
    return runTemplate(this.#statements, globals, { maxSteps, maxLength });
  }
}
