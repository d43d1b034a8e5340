/** Filters of written answers (filter_list), each from the answers of one sample to fewer or other ones. */
import { didYouMeanHint } from '../../../config/index.js';
import { InputError } from '../../../errors/index.js';
import { type PythonPattern, pythonPattern, selectMatch } from '../../graders/python-pattern.js';
import { strip } from '../../graders/python-text.js';
import type { RowRecord } from '../row-field.js';
import { multiChoiceRegex } from './multi-choice-regex.js';

export type AnswerFilter = (answers: readonly string[], row: RowRecord) => readonly string[];

/** Arguments of a filter by their names in the file, each read once. */
export class FilterArguments {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #left: Set<string>;

  constructor({ function: _, ...values }: Readonly<Record<string, unknown>>) {
    this.#values = values;
    this.#left = new Set(Object.keys(values));
  }

  text(name: string, otherwise: string): string {
    return this.#read(name, otherwise, isText, 'a text');
  }

  whole(name: string, otherwise: number): number {
    return this.#read(name, otherwise, isWhole, 'a whole number');
  }

  flag(name: string): boolean {
    return this.#read(name, false, isFlag, 'true or false');
  }

  texts(name: string): readonly string[] {
    return this.#read<readonly string[]>(name, [], isTexts, 'a list of texts');
  }

  mapping(name: string): Readonly<Record<string, unknown>> {
    const value = this.other(name);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    throw new InputError(`"${name}": a mapping is needed, got ${JSON.stringify(value)}`);
  }

  other(name: string): unknown {
    this.#left.delete(name);
    return this.#values[name];
  }

  /** @throws InputError for what nobody asked for */
  end(known: readonly string[]): void {
    const [left] = this.#left;
    if (left !== undefined) throw new InputError(`it takes no "${left}".${didYouMeanHint(left, known)}`);
  }

  #read<Value>(
    name: string,
    otherwise: Value,
    fits: (value: unknown) => value is Value,
    expected: string,
  ): Value {
    const value = this.other(name);
    if (value === undefined || value === null) return otherwise;
    if (!fits(value)) throw new InputError(`"${name}": ${expected} is needed, got ${JSON.stringify(value)}`);
    return value;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isWhole = (value: unknown): value is number => Number.isInteger(value);
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);

interface FilterKind {
  readonly names: readonly string[];
  readonly make: (given: FilterArguments) => AnswerFilter;
}

const each =
  (change: (answer: string) => string): AnswerFilter =>
  (answers) =>
    answers.map(change);

const KINDS: Readonly<Record<string, FilterKind>> = {
  regex: {
    names: ['regex_pattern', 'group_select', 'fallback'],
    make: (given) => {
      const { pattern, place, fallback } = patternOf(given);
      return each((answer) => selectMatch(pattern.findAll(answer), place) ?? fallback);
    },
  },
  multi_choice_regex: {
    names: [
      'regex_pattern',
      'group_select',
      'fallback',
      'ignore_case',
      'ignore_punctuation',
      'regexes_to_ignore',
    ],
    make: (given) =>
      multiChoiceRegex({
        ...patternOf(given),
        ignoresCase: given.flag('ignore_case'),
        ignoresPunctuation: given.flag('ignore_punctuation'),
        ignored: given.texts('regexes_to_ignore').map(pythonPattern),
      }),
  },
  remove_whitespace: { names: [], make: () => each(strip) },
  lowercase: { names: [], make: () => each((answer) => answer.toLowerCase()) },
  uppercase: { names: [], make: () => each((answer) => answer.toUpperCase()) },
  map: {
    names: ['mapping_dict', 'default_value'],
    make: (given) => {
      const mapping = given.mapping('mapping_dict');
      const otherwise = given.other('default_value');
      // What is not in the mapping and has no default is None, which equals no answer.
      return each((answer) =>
        String((Object.hasOwn(mapping, answer) ? mapping[answer] : otherwise) ?? 'None'),
      );
    },
  },
  take_first: { names: [], make: () => (answers) => answers.slice(0, 1) },
  take_first_k: {
    names: ['k'],
    make: (given) => {
      const k = given.whole('k', 0);
      if (k < 1) throw new InputError('"k": a number from 1 is needed');
      return (answers) => answers.slice(0, k);
    },
  },
  majority_vote: { names: [], make: () => (answers) => mostFrequent(answers) },
};

/** Needs that a name tells. */
const FOREIGN: Readonly<Record<string, string>> = {
  custom: 'a Python function',
  regex_pos: 'a grader of parts of speech',
  format_span: 'a grader of spans',
  decontaminate: 'a search for contamination',
};

function patternOf(given: FilterArguments): {
  readonly pattern: PythonPattern;
  readonly place: number;
  readonly fallback: string;
} {
  return {
    pattern: pythonPattern(given.text('regex_pattern', '#### (\\-?[0-9\\.\\,]+)')),
    place: given.whole('group_select', 0),
    fallback: given.text('fallback', '[invalid]'),
  };
}

/** The first of the most frequent. */
function mostFrequent(answers: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [...counts]
    .filter(([, count]) => count === most)
    .map(([answer]) => answer)
    .slice(0, 1);
}

/** @throws InputError for a filter that there is not, or arguments that it does not take */
export function answerFilter(config: Readonly<Record<string, unknown>>): AnswerFilter {
  const name = String(config.function);
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined) {
    const need = Object.hasOwn(FOREIGN, name) ? `; it needs ${FOREIGN[name]}` : '';
    throw new InputError(`there is no filter "${name}"${need}.${didYouMeanHint(name, Object.keys(KINDS))}`);
  }
  const given = new FilterArguments(config);
  try {
    const filter = kind.make(given);
    given.end(kind.names);
    return filter;
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`the filter ${name}: ${error.message}.`);
    throw error;
  }
}
