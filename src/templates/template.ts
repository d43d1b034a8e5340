import { isMarkable, marked, unmarked, withoutReserved } from './given-marks.js';
import { globalValues } from './globals.js';
import { runTemplate, type TemplateRun, type TextSpan } from './interpreter.js';
import { parseTemplate } from './parser.js';
import type { Statement } from './syntax.js';
import { toValue, type Value } from './values.js';

export interface RenderOptions {
  /** What `strftime_now` prints. Default: the present, in the local time zone. */
  readonly now?: () => Date;
  /** Statements, expressions and items gone over. Default 5,000,000: some seconds. */
  readonly maxSteps?: number;
  /** Characters of the text and of each value. Default 4,000,000. */
  readonly maxLength?: number;
}

/** Values by their names: plain data, as JSON has it. */
export type TemplateValues = Readonly<Record<string, unknown>>;

export interface RenderedTemplate {
  readonly text: string;
  /**
   * The same with a mark (see given-marks.ts) at each bracket and bar that came with the values; undefined where the template
   * does with one what a mark does not stand.
   */
  readonly marked: string | undefined;
  /** What blocks of `generation` wrote; undefined where one lies in a text that was set or made by a macro. */
  readonly generations: readonly TextSpan[] | undefined;
}

/**
 * A Jinja template for chats, read as transformers reads it: `trim_blocks`, `lstrip_blocks`, `break` and `continue`, no
 * escaping, `tojson` that keeps every character, `raise_exception`, `strftime_now`, blocks of `generation`, and values that
 * cannot be changed. It runs on this thread; templates of strangers belong into a TemplateRenderer.
 */
export class ChatTemplate {
  readonly source: string;
  readonly #statements: readonly Statement[];

  /** @throws TemplateError with the line, for faults and for filters, tests and statements that there are not */
  constructor(source: string) {
    this.source = source;
    this.#statements = parseTemplate(source);
  }

  /** @throws TemplateError with the line, also for what the template itself raises or beyond a limit */
  render(values: TemplateValues, options: RenderOptions = {}): string {
    return this.#run(valuesOf(values), options).text;
  }

  /**
   * As `render`, and where the texts of the values went.
   * @param own values that are the template's own words, such as `bos_token`
   */
  renderMarked(values: TemplateValues, own: TemplateValues, options: RenderOptions = {}): RenderedTemplate {
    let hasMarks = false;
    const time = (options.now ?? (() => new Date()))();
    const fixed = { ...options, now: () => time };
    const words = valuesOf(own, () => withoutReserved);
    const { text, generations } = this.#run(
      [
        ...valuesOf(values, () => (each) => {
          hasMarks ||= isMarkable(each);
          return withoutReserved(each);
        }),
        ...words,
      ],
      fixed,
    );
    if (!hasMarks) return { text, marked: text, generations };
    const given = valuesOf(values, (origin) => (each) => marked(withoutReserved(each), origin));
    const again = this.#run([...given, ...words], fixed);
    return { text, marked: unmarked(again.text) === text ? again.text : undefined, generations };
  }

  #run(
    values: readonly (readonly [string, Value])[],
    { now = () => new Date(), maxSteps = 5_000_000, maxLength = 4_000_000 }: RenderOptions,
  ): TemplateRun {
    const globals = globalValues(now);
    for (const [name, value] of values) globals.set(name, value);
    return runTemplate(this.#statements, globals, { maxSteps, maxLength, isStrict: false });
  }
}

type Change = (text: string) => string;

/** @param changeOf what becomes of the texts of messages of the assistant, and of all others */
function valuesOf(
  values: TemplateValues,
  changeOf: (origin: 'given' | 'assistant') => Change = () => (text) => text,
): [string, Value][] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      if (name !== 'messages' || !Array.isArray(value)) return [name, toValue(value, changeOf('given'))];
      const messages: readonly unknown[] = value;
      return [name, messages.map((message) => toValue(message, changeOf(originOf(message))))];
    });
}

function originOf(message: unknown): 'given' | 'assistant' {
  const isAnswer =
    typeof message === 'object' && message !== null && Reflect.get(message, 'role') === 'assistant';
  return isAnswer ? 'assistant' : 'given';
}
