/** The strings that a conjunction allows, as sets of texts. */

import type { Regex } from '../regex/regex.js';
import { matchedTexts, searchedTexts } from '../regex/regex-language.js';
import { parseRegex } from '../regex/regex-syntax.js';
import { StateLimit } from '../regex/state-limit.js';
import { type Language, LanguageBuilder } from '../regex/text-language.js';
import { type TextMachine, textMachine } from '../regex/text-machine.js';
import { describe, type SchemaFields } from './schema-keywords.js';
import { FREE_FORMATS, isNameOfPattern, NUMBER_FORMATS, STRING_FORMATS } from './string-formats.js';

/** Counts above are as good as this one: no answer is so long. */
export const MAX_COUNT = 1_000_000;
/** At least so many characters or items may be demanded. */
const MAX_DEMANDED = 100_000;

/** A keyword that a string must match. */
export interface StringForm {
  readonly keyword: string;
  readonly fields: SchemaFields;
  readonly regex: Regex;
  /** As a pattern of JSON Schema; formats match as a whole. */
  readonly matchesAnywhere: boolean;
  readonly isNegated: boolean;
}

export interface StringRules {
  readonly forms: readonly StringForm[];
  readonly excluded: readonly string[];
  readonly min: number;
  readonly max: number;
}

/** Reads the keywords of strings and makes machines of them. */
export class StringTexts {
  readonly languages: LanguageBuilder;
  readonly #checkTime: () => void;
  readonly #regexes = new Map<string, Regex>();
  readonly #machines = new Map<Language, TextMachine | undefined>();

  constructor(checkTime: () => void) {
    this.#checkTime = checkTime;
    this.languages = new LanguageBuilder(checkTime);
  }

  /** @throws InputError for an unknown format, a pattern with faults, bounds that cross within one schema */
  rulesOf(parts: readonly SchemaFields[]): StringRules {
    const forms: StringForm[] = [];
    const excluded: string[] = [];
    const hasPattern = parts.some((part) => part.has('pattern'));
    let min = 0;
    let max = Number.POSITIVE_INFINITY;
    for (const fields of parts) {
      const range = countRange(fields, 'minLength', 'maxLength');
      min = Math.max(min, range.min);
      max = Math.min(max, range.max);
      for (const keyword of ['pattern', '!pattern', 'format', '!format']) {
        const form = this.#form(fields, keyword, hasPattern);
        if (form !== undefined) forms.push(form);
      }
      for (const text of fields.list('!strings') ?? []) excluded.push(String(text));
    }
    return { forms, excluded, min, max };
  }

  /** Lengths are left out: they are counted apart. */
  languageOf({ forms, excluded }: StringRules): Language {
    const { languages } = this;
    const parts = forms.map((form) => {
      const place = placeOf(form.fields, form.keyword);
      const texts = form.matchesAnywhere
        ? searchedTexts(languages, form.regex, place)
        : matchedTexts(languages, form.regex, place);
      return form.isNegated ? languages.not(texts) : texts;
    });
    if (excluded.length > 0) parts.push(languages.not(languages.literals(excluded)));
    return languages.and(parts);
  }

  /** @throws StateLimit */
  machineOf(language: Language): TextMachine | undefined {
    if (!this.#machines.has(language))
      this.#machines.set(language, textMachine(this.languages, language, this.#checkTime));
    return this.#machines.get(language);
  }

  /** The machine of a pattern that may match anywhere. */
  searchMachine(fields: SchemaFields, keyword: string, pattern: string): TextMachine | undefined {
    const place = placeOf(fields, keyword);
    return bounded(fields, keyword, () =>
      this.machineOf(searchedTexts(this.languages, this.regexOf(pattern, place), place)),
    );
  }

  /** @param maxLength of the pattern; formats are longer than what a request may bring */
  regexOf(pattern: string, place: string, maxLength?: number): Regex {
    let regex = this.#regexes.get(pattern);
    if (regex === undefined) {
      regex = parseRegex(pattern, place, this.#checkTime, maxLength);
      this.#regexes.set(pattern, regex);
    }
    return regex;
  }

  #form(fields: SchemaFields, keyword: string, hasPattern: boolean): StringForm | undefined {
    const value = fields.string(keyword);
    if (value === undefined) return undefined;
    const isNegated = keyword.startsWith('!');
    const place = placeOf(fields, keyword);
    if (keyword.endsWith('pattern')) {
      return { keyword, fields, regex: this.regexOf(value, place), matchesAnywhere: true, isNegated };
    }
    if (FREE_FORMATS.has(value) && !isNegated) return undefined;
    if (NUMBER_FORMATS.has(value) && !isNegated) return undefined;
    const pattern = STRING_FORMATS.get(value);
    if (pattern !== undefined) {
      const regex = this.regexOf(pattern, place, Number.POSITIVE_INFINITY);
      return { keyword, fields, regex, matchesAnywhere: false, isNegated };
    }
    if (isNameOfPattern(value) && hasPattern) return undefined;
    const names = [...STRING_FORMATS.keys(), ...FREE_FORMATS].join(', ');
    throw fields.fault(
      'format',
      `the format ${describe(value)} is not supported${isNameOfPattern(value) ? ' without the pattern that it names' : ''}; supported are ${names}`,
    );
  }
}

/** @throws InputError naming the keyword where the work is beyond the limits */
export function bounded<Result>(fields: SchemaFields, keyword: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StateLimit)) throw error;
    throw fields.fault(
      keyword,
      `the keyword "${keyword}" is too much together with what stands beside it: ${error.message}`,
    );
  }
}

/** Two counts of one schema. @throws InputError where they cross or demand too much */
export function countRange(fields: SchemaFields, low: string, high: string): { min: number; max: number } {
  const min = fields.count(low) ?? 0;
  const max = fields.count(high) ?? Number.POSITIVE_INFINITY;
  if (min > max) throw fields.fault(low, `${min} is more than ${high}, which is ${max}`);
  if (min > MAX_DEMANDED) throw fields.fault(low, `at most ${MAX_DEMANDED} is supported, found ${min}`);
  return { min, max: max === Number.POSITIVE_INFINITY ? max : Math.min(max, MAX_COUNT) };
}

function placeOf(fields: SchemaFields, keyword: string): string {
  return `The JSON schema at ${fields.pathOf(keyword.replace('!', ''))}: the pattern`;
}
