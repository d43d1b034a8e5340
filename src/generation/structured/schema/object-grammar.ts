import type { GrammarNode } from '../byte-grammar.js';
import type { Member } from '../json-grammar.js';
import { byteTextMachine } from '../regex/byte-text-machine.js';
import { jsonReader } from '../regex/character-reader.js';
import { searchedTexts } from '../regex/regex-language.js';
import type { Language } from '../regex/text-language.js';
import type { Conjunction, LocatedSchema } from './conjunction.js';
import { otherSchemas } from './matches.js';
import type { SchemaReading } from './schema-grammar.js';
import { describe, type SchemaFields } from './schema-keywords.js';
import { bounded, countRange } from './string-texts.js';
import { typesOf } from './value-types.js';

const MENTIONING = [
  'properties',
  'required',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
];
/** Each may match a key or not, which makes two groups of keys out of one. */
const MAX_PATTERNS = 6;
/** Members times counts. */
const MAX_COUNTED = 20_000;

/** Objects: first the named properties in the schema's order, then others. */
export class ObjectGrammar {
  readonly #reading: SchemaReading;

  constructor(reading: SchemaReading) {
    this.#reading = reading;
  }

  /** The objects that all parts allow. */
  node(parts: readonly SchemaFields[]): GrammarNode {
    const { builder, json } = this.#reading;
    const required = new Set(parts.flatMap((part) => requiredNames(part)));
    const nameTexts = this.#nameTexts(parts);
    const isAny = !parts.some((part) => MENTIONING.some((key) => part.has(key)));
    if (isAny && nameTexts === this.#all && !parts.some((part) => isCounted(part))) return json.object;
    const isOpen = isAny || parts.some((part) => isOpenFor(this.#reading, part));
    const names = this.#names(parts, required, isOpen);
    const members: Member[] = [];
    for (const name of names) {
      const value = this.#value(name, parts);
      if (value !== undefined) members.push({ key: name, value, isRequired: required.has(name) });
      else if (required.has(name)) return this.#impossible(name, parts);
    }
    const others = this.#others(parts, names, nameTexts, isOpen);
    const counts = this.#counts(parts, members, others.length > 0);
    return json.members(members, others.length === 0 ? undefined : builder.choice(others), counts);
  }

  get #all(): Language {
    return this.#reading.texts.languages.all;
  }

  /** All names that stand somewhere, in the order in which they do. */
  #names(parts: readonly SchemaFields[], required: ReadonlySet<string>, isOpen: boolean): string[] {
    const { scope } = this.#reading;
    const names = new Set(parts.flatMap((part) => scope.children(part, 'properties').map(([name]) => name)));
    for (const name of required) names.add(name);
    for (const part of parts) {
      const listed = this.#listedNames(part) ?? [];
      const isNamed = (name: string) =>
        isOpen || parts.some((each) => each.has('patternProperties') && this.#isPatterned(name, each));
      for (const name of listed) if (isNamed(name)) names.add(name);
    }
    return [...names];
  }

  #isPatterned(name: string, part: SchemaFields): boolean {
    const without = part.without('additionalProperties').without('unevaluatedProperties');
    return this.#reading.check.schemasFor(name, without).length > 0;
  }

  /** Where the names of properties are a list of constants. */
  #listedNames(part: SchemaFields): string[] | undefined {
    const conjunction = this.#namesConjunction(part);
    if (conjunction === undefined) return undefined;
    const constants = this.#reading.constants([...conjunction.parts.values()]);
    return constants?.filter((value) => typeof value === 'string');
  }

  #namesConjunction(part: SchemaFields): Conjunction | undefined {
    if (!part.has('propertyNames')) return undefined;
    const { scope } = this.#reading;
    return scope.conjunction([scope.child(part, part.get('propertyNames'), 'propertyNames')]);
  }

  #value(name: string, parts: readonly SchemaFields[]): GrammarNode | undefined {
    const { check, scope } = this.#reading;
    for (const part of parts) {
      if (!part.has('propertyNames')) continue;
      const schema = scope.child(part, part.get('propertyNames'), 'propertyNames');
      if (!check.matches(name, schema)) return undefined;
    }
    return this.#reading.node(parts.flatMap((part) => check.schemasFor(name, part)));
  }

  #impossible(name: string, parts: readonly SchemaFields[]): GrammarNode {
    const [part] = parts;
    if (
      parts.length === 1 &&
      part?.get('additionalProperties') === false &&
      part.object('properties')?.[name] === undefined
    ) {
      throw part.fault(
        'required',
        `${describe(name)} is required but neither among the properties nor an additional one`,
      );
    }
    return this.#reading.builder.nothing;
  }

  /** Members whose keys stand nowhere by name, in groups of equal values. */
  #others(
    parts: readonly SchemaFields[],
    names: readonly string[],
    nameTexts: Language,
    isOpen: boolean,
  ): GrammarNode[] {
    const { builder, json, texts } = this.#reading;
    const { languages } = texts;
    const patterns = this.#patterns(parts);
    if (patterns.length === 0 && nameTexts === this.#all) {
      if (!isOpen) return [];
      const value = this.#otherValue(parts, new Set());
      const key = names.length === 0 ? json.string : json.keyExcept(names);
      return value === undefined ? [] : [json.member(key, value)];
    }
    const nodes: GrammarNode[] = [];
    const rest = languages.and([nameTexts, languages.not(languages.literals(names))]);
    for (let group = isOpen ? 0 : 1; group < 2 ** patterns.length; group++) {
      builder.checkTime();
      const isMatched = (index: number) => ((group >> index) & 1) === 1;
      const value = this.#otherValue(
        parts,
        new Set(patterns.filter((_, index) => isMatched(index)).map(({ pattern }) => pattern)),
      );
      if (value === undefined) continue;
      const keys = languages.and([
        rest,
        ...patterns.map(({ keys: own }, index) => (isMatched(index) ? own : languages.not(own))),
      ]);
      const key = this.#keyNode(keys, parts);
      if (key !== undefined) nodes.push(json.member(key, value));
    }
    return nodes;
  }

  #keyNode(keys: Language, parts: readonly SchemaFields[]): GrammarNode | undefined {
    const { builder, json, texts } = this.#reading;
    const keyword = parts.some((part) => part.has('patternProperties'))
      ? 'patternProperties'
      : 'propertyNames';
    const fields = parts.find((part) => part.has(keyword)) ?? parts[0]!;
    return bounded(fields, keyword, () => {
      const machine = texts.machineOf(keys);
      const bounds = { min: 0, max: Number.POSITIVE_INFINITY };
      const bytes =
        machine && byteTextMachine(machine, jsonReader(machine.classes), bounds, () => builder.checkTime());
      return bytes && json.quoted(builder.machine(bytes));
    });
  }

  #patterns(parts: readonly SchemaFields[]): { pattern: string; keys: Language }[] {
    const { scope, texts } = this.#reading;
    const patterns = new Map<string, Language>();
    for (const part of parts) {
      for (const [pattern, { path }] of scope.children(part, 'patternProperties')) {
        const location = `The JSON schema at ${path}: the pattern`;
        patterns.set(pattern, searchedTexts(texts.languages, texts.regexOf(pattern, location), location));
        if (patterns.size > MAX_PATTERNS)
          throw part.fault('patternProperties', `at most ${MAX_PATTERNS} patterns together are supported`);
      }
    }
    return [...patterns].map(([pattern, keys]) => ({ pattern, keys }));
  }

  /** Of a key that matches these patterns and no name. */
  #otherValue(parts: readonly SchemaFields[], patterns: ReadonlySet<string>): GrammarNode | undefined {
    const { scope } = this.#reading;
    const schemas = parts.flatMap((part): LocatedSchema[] => {
      const matched = scope.children(part, 'patternProperties').filter(([pattern]) => patterns.has(pattern));
      return matched.length > 0 ? matched.map(([, schema]) => schema) : otherSchemas(scope, part);
    });
    return this.#reading.node(schemas);
  }

  /** The names that `propertyNames` of all parts allow. */
  #nameTexts(parts: readonly SchemaFields[]): Language {
    const { languages } = this.#reading.texts;
    return languages.and(
      parts.flatMap((part) =>
        part.has('propertyNames') ? [this.#textsOf(this.#namesConjunction(part))] : [],
      ),
    );
  }

  #textsOf(conjunction: Conjunction | undefined): Language {
    const { languages } = this.#reading.texts;
    if (conjunction === undefined) return languages.nothing;
    const parts = [...conjunction.parts.values()];
    const constants = this.#reading.constants(parts);
    if (constants !== undefined)
      return languages.literals(constants.filter((value) => typeof value === 'string'));
    const alternatives = this.#reading.alternatives(conjunction);
    if (alternatives !== undefined) return languages.or(alternatives.map((each) => this.#textsOf(each)));
    const isTyped = parts.some((part) => part.has('type'));
    if (isTyped && !typesOf(parts)?.includes('string')) return languages.nothing;
    const rules = this.#reading.texts.rulesOf(parts);
    const lengths = languages.repeat(languages.character, rules.min, rules.max);
    if (rules.min > rules.max) return languages.nothing;
    return languages.and([this.#reading.texts.languageOf(rules), lengths]);
  }

  #counts(
    parts: readonly SchemaFields[],
    members: readonly Member[],
    hasOthers: boolean,
  ): { min: number; max: number } {
    let min = 0;
    let max = Number.POSITIVE_INFINITY;
    let source = parts[0]!;
    for (const part of parts) {
      const range = countRange(part, 'minProperties', 'maxProperties');
      if (isCounted(part)) source = part;
      min = Math.max(min, range.min);
      max = Math.min(max, range.max);
    }
    const numRequired = members.filter(({ isRequired }) => isRequired).length;
    if (hasOthers && min > numRequired + 1) {
      throw source.fault(
        'minProperties',
        'the keyword "minProperties" is supported up to one more than the required ones where keys are free: nothing keeps free keys apart',
      );
    }
    if (min <= numRequired) min = 0;
    if (!hasOthers && max >= members.length) max = Number.POSITIVE_INFINITY;
    const cap = max === Number.POSITIVE_INFINITY ? min : max;
    if (members.length * Math.min(cap, members.length) > MAX_COUNTED)
      throw source.fault(
        source.has('maxProperties') ? 'maxProperties' : 'minProperties',
        `too many properties to count; at most ${MAX_COUNTED} properties times the count are supported`,
      );
    return { min, max };
  }
}

function requiredNames(part: SchemaFields): string[] {
  return (part.list('required') ?? []).map((name) => {
    if (typeof name === 'string') return name;
    throw part.fault('required', `expected names of properties, found ${describe(name)}`);
  });
}

function isCounted(part: SchemaFields): boolean {
  return part.has('minProperties') || part.has('maxProperties');
}

/** Whether properties may be written that nothing names. */
function isOpenFor({ scope }: SchemaReading, part: SchemaFields): boolean {
  return otherSchemas(scope, part).some(({ schema }) => schema !== false);
}
