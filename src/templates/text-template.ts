import { globalValues } from './globals.js';
import { runTemplate } from './interpreter.js';
import { parseTemplate } from './parser.js';
import type { Statement } from './syntax.js';
import type { TemplateValues } from './template.js';
import { TemplateError, ValueFault } from './template-error.js';
import { toValue } from './values.js';

const LIMITS = { maxSteps: 1_000_000, maxLength: 4_000_000, isStrict: true } as const;

/**
 * A Jinja template of a text, with Jinja's own settings and no leniency: white space stays as it is written, the newline at the
 * end too, and what is undefined cannot be printed.
 */
export class TextTemplate {
  readonly source: string;
  readonly #statements: readonly Statement[];

  /** @throws TemplateError with the line */
  constructor(source: string) {
    this.source = source;
    this.#statements = parseTemplate(source, false);
  }

  /** @throws TemplateError with the line, for names that have no value too */
  render(values: TemplateValues): string {
    const globals = globalValues(() => new Date());
    try {
      for (const [name, value] of Object.entries(values)) globals.set(name, toValue(value));
    } catch (error) {
      if (error instanceof ValueFault) throw new TemplateError(error.message);
      throw error;
    }
    return runTemplate(this.#statements, globals, LIMITS).text;
  }
}
