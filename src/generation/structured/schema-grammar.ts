/** The grammar of the JSON texts that match a JSON schema. */
import type { GrammarBuilder, GrammarNode, RuleNode } from './byte-grammar.js';
import { areDisjoint, isOfType } from './disjoint-schemas.js';
import { JsonGrammar, type Member } from './json-grammar.js';
import { type Bound, integerGrammar, MAX_BOUND, numberGrammar } from './number-grammar.js';
import { regexNode } from './regex-grammar.js';
import { parseRegex } from './regex-syntax.js';
import {
  childPath,
  describe,
  isObject,
  type JsonType,
  SchemaFields,
  schemaError,
  TYPE_KEYWORDS,
  WHOLE_KEYWORDS,
} from './schema-keywords.js';
import { STRING_FORMATS } from './string-formats.js';

const MAX_DEPTH = 100;
/** Counts above are as good as this one: no answer is so long. */
const MAX_COUNT = 1_000_000;
/** At least so many characters or items may be demanded. */
const MAX_DEMANDED = 100_000;

/**
 * The JSON texts whose value matches a schema, on one line and with the properties in the schema's order. Properties
 * that the schema does not name are written only if `additionalProperties` is there and not false.
 * @throws InputError that names the place, for a keyword that is not honoured or a schema that is wrong
 */
export function schemaGrammar(builder: GrammarBuilder, schema: unknown): GrammarNode {
  return new SchemaReader(builder, schema).read();
}

class SchemaReader {
  readonly #builder: GrammarBuilder;
  readonly #json: JsonGrammar;
  readonly #root: unknown;
  readonly #rules = new Map<string, RuleNode>();
  /** Targets of $ref that are still to be read; not at once, since they may be circular or long chains. */
  readonly #pending: { rule: RuleNode; schema: unknown; path: string }[] = [];

  constructor(builder: GrammarBuilder, root: unknown) {
    this.#builder = builder;
    this.#json = new JsonGrammar(builder);
    this.#root = root;
  }

  read(): GrammarNode {
    if (this.#root === undefined) throw schemaError('#', 'expected a schema, found undefined');
    const root = this.#reference('#', '#');
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      next.rule.target = this.#schema(next.schema, next.path, 0);
    }
    return root;
  }

  #schema(schema: unknown, path: string, depth: number): GrammarNode {
    if (depth > MAX_DEPTH) throw schemaError(path, `schemas are nested more than ${MAX_DEPTH} deep`);
    if (schema === true) return this.#json.value;
    if (schema === false) return this.#builder.nothing;
    if (!isObject(schema)) throw schemaError(path, `expected a schema, found ${describe(schema)}`);
    const fields = new SchemaFields(schema, path);
    const whole = WHOLE_KEYWORDS.find((keyword) => fields.has(keyword));
    if (whole === undefined) return this.#typed(fields, depth);
    const allowsType = whole === 'enum' || whole === 'const';
    const other = fields.constraints.find((key) => key !== whole && !(allowsType && key === 'type'));
    if (other !== undefined) {
      throw fields.fault(
        other,
        `the keyword "${other}" is not supported beside "${whole}"; put it into what that holds`,
      );
    }
    switch (whole) {
      case '$ref':
        return this.#reference(fields.string('$ref')!, fields.pathOf('$ref'));
      case 'anyOf':
      case 'oneOf':
      case 'allOf':
        return this.#combination(fields, whole, depth);
      case 'enum':
        return this.#constants(fields, 'enum', fields.list('enum')!);
      case 'const':
        return this.#constants(fields, 'const', [fields.get('const')]);
    }
    whole satisfies never;
    return this.#builder.nothing;
  }

  #reference(reference: string, path: string): GrammarNode {
    const known = this.#rules.get(reference);
    if (known !== undefined) return known;
    const schema = this.#resolve(reference);
    if (schema === undefined) {
      throw schemaError(
        path,
        `"${reference}" points at nothing; only places within the schema itself (#/…) can be meant`,
      );
    }
    const rule = this.#builder.rule();
    this.#rules.set(reference, rule);
    this.#pending.push({ rule, schema, path: reference });
    return rule;
  }

  #resolve(reference: string): unknown {
    if (!/^#(\/|$)/.test(reference)) return undefined;
    let target: unknown = this.#root;
    for (const part of reference.split('/').slice(1)) {
      const key = decodePercent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) return undefined;
      target = Reflect.get(target, key);
    }
    return target;
  }

  #combination(fields: SchemaFields, keyword: 'anyOf' | 'oneOf' | 'allOf', depth: number): GrammarNode {
    const schemas = fields.list(keyword)!;
    if (keyword === 'allOf' && schemas.length > 1) {
      throw fields.fault(
        keyword,
        `the keyword "allOf" is supported with one schema only, here are ${schemas.length}`,
      );
    }
    if (keyword === 'oneOf') this.#refuseOverlap(fields, schemas);
    return this.#builder.choice(
      schemas.map((schema, index) =>
        this.#schema(schema, childPath(fields.pathOf(keyword), index), depth + 1),
      ),
    );
  }

  /** "Exactly one of" equals "any of" only where no value matches two. */
  #refuseOverlap(fields: SchemaFields, schemas: readonly unknown[]): void {
    for (const [index, schema] of schemas.entries()) {
      const overlap = schemas.findIndex(
        (other, at) => at > index && !areDisjoint(schema, other, (reference) => this.#resolve(reference)),
      );
      if (overlap < 0) continue;
      throw fields.fault(
        'oneOf',
        `the keyword "oneOf" is supported where its schemas exclude each other (by type, by constants or by a required property of different constants); ${index} and ${overlap} may both match. Use anyOf`,
      );
    }
  }

  #constants(fields: SchemaFields, keyword: 'enum' | 'const', values: readonly unknown[]): GrammarNode {
    const types = fields.types();
    const fitting = values.filter((value) => types?.some((type) => isOfType(value, type)) ?? true);
    if (fitting.length === 0)
      throw fields.fault(keyword, 'no value here is of the type that stands beside it');
    const isScalar = (value: unknown) => typeof value !== 'object' || value === null;
    const scalars = fitting.filter(isScalar).map((value) => JSON.stringify(value));
    const others = fitting.filter((value) => !isScalar(value)).map((value) => this.#json.constant(value));
    return this.#builder.choice(scalars.length > 0 ? [this.#builder.literals(scalars), ...others] : others);
  }

  /** Without a type, the keywords tell which types are meant; without any of them every value is. */
  #typed(fields: SchemaFields, depth: number): GrammarNode {
    const described = [...TYPE_KEYWORDS].filter(([, keywords]) => keywords.some((key) => fields.has(key)));
    const types = fields.types() ?? described.map(([type]) => type);
    if (types.length === 0) return this.#json.value;
    const distinct = types.includes('number') ? types.filter((type) => type !== 'integer') : types;
    return this.#builder.choice(distinct.map((type) => this.#ofType(type, fields, depth)));
  }

  #ofType(expected: JsonType, fields: SchemaFields, depth: number): GrammarNode {
    switch (expected) {
      case 'object':
        return this.#object(fields, depth);
      case 'array':
        return this.#array(fields, depth);
      case 'string':
        return this.#string(fields);
      case 'number':
        return numberGrammar(this.#builder, this.#bounds(fields));
      case 'integer':
        return integerGrammar(this.#builder, this.#bounds(fields));
      case 'boolean':
        return this.#builder.literals(['true', 'false']);
      case 'null':
        return this.#builder.literal('null');
    }
    expected satisfies never;
    return this.#builder.nothing;
  }

  #object(fields: SchemaFields, depth: number): GrammarNode {
    const properties = fields.object('properties');
    const additional = fields.get('additionalProperties');
    const required = (fields.list('required') ?? []).map((name) => {
      if (typeof name === 'string') return name;
      throw fields.fault('required', `expected names of properties, found ${describe(name)}`);
    });
    const isOpen = additional !== undefined && additional !== false;
    const other = isOpen
      ? this.#schema(additional, fields.pathOf('additionalProperties'), depth + 1)
      : undefined;
    if (properties === undefined && required.length === 0) {
      if (additional === undefined) return this.#json.object;
      return other === undefined ? this.#json.members([], undefined) : this.#json.map(other);
    }
    const members: Member[] = Object.entries(properties ?? {}).map(([key, schema]) => ({
      key,
      value: this.#schema(schema, childPath(fields.pathOf('properties'), key), depth + 1),
      isRequired: required.includes(key),
    }));
    for (const key of new Set(required)) {
      if (members.some((member) => member.key === key)) continue;
      if (additional === false) {
        throw fields.fault(
          'required',
          `"${key}" is required but neither among the properties nor an additional one`,
        );
      }
      members.push({ key, value: other ?? this.#json.value, isRequired: true });
    }
    return this.#json.members(members, other);
  }

  #array(fields: SchemaFields, depth: number): GrammarNode {
    if (fields.get('uniqueItems') !== undefined && fields.get('uniqueItems') !== false) {
      throw fields.fault('uniqueItems', 'the keyword "uniqueItems" is not supported unless it is false');
    }
    const prefix = (fields.list('prefixItems') ?? []).map((schema, index) =>
      this.#schema(schema, childPath(fields.pathOf('prefixItems'), index), depth + 1),
    );
    const items = fields.get('items');
    if (Array.isArray(items))
      throw fields.fault('items', 'a list is the older form of "prefixItems"; use that');
    // After prefixItems, further items of any kind would be allowed; none are written.
    const { min, max } = this.#range(fields, 'minItems', 'maxItems');
    const closes = items === false || (items === undefined && prefix.length > 0 && min <= prefix.length);
    const item = closes ? undefined : this.#schema(items ?? true, fields.pathOf('items'), depth + 1);
    return this.#json.list(prefix, item, min, max);
  }

  #string(fields: SchemaFields): GrammarNode {
    const forms = ['pattern', 'format'].filter((key) => fields.has(key));
    const lengths = ['minLength', 'maxLength'].filter((key) => fields.has(key));
    if (forms.length === 0) {
      const { min, max } = this.#range(fields, 'minLength', 'maxLength');
      return this.#json.stringOf(min, max);
    }
    const second = [...forms.slice(1), ...lengths][0];
    if (second !== undefined) {
      throw fields.fault(
        second,
        `the keyword "${second}" is not supported beside "${forms[0]}"; say it in the pattern`,
      );
    }
    const pattern = fields.string('pattern');
    if (pattern !== undefined) return this.#pattern(pattern, fields.pathOf('pattern'));
    const format = fields.string('format')!;
    const known = STRING_FORMATS.get(format);
    if (known !== undefined) return this.#pattern(`^(?:${known})$`, fields.pathOf('format'));
    const names = [...STRING_FORMATS.keys()].join(', ');
    throw fields.fault('format', `the format "${format}" is not supported; supported are ${names}`);
  }

  /** As JSON Schema has it, a pattern may match anywhere in the string unless it is anchored. */
  #pattern(pattern: string, path: string): GrammarNode {
    const json = this.#json;
    const branches = parseRegex(pattern, `The JSON schema at ${path}: the pattern`);
    const nodes = branches.map(({ body, startsAtStart, endsAtEnd }) =>
      this.#builder.sequence([
        startsAtStart ? this.#builder.empty : json.anyCharacters,
        regexNode(this.#builder, body, json.characterOf),
        endsAtEnd ? this.#builder.empty : json.anyCharacters,
      ]),
    );
    return json.quoted(this.#builder.choice(nodes));
  }

  #range(fields: SchemaFields, low: string, high: string): { min: number; max: number } {
    const min = fields.count(low) ?? 0;
    const max = fields.count(high) ?? Number.POSITIVE_INFINITY;
    if (min > max) throw fields.fault(low, `${min} is more than ${high}, which is ${max}`);
    if (min > MAX_DEMANDED) throw fields.fault(low, `at most ${MAX_DEMANDED} is supported, found ${min}`);
    return { min, max: max === Number.POSITIVE_INFINITY ? max : Math.min(max, MAX_COUNT) };
  }

  #bounds(fields: SchemaFields): { min?: Bound; max?: Bound } {
    const read = (keyword: string, isExclusive: boolean, sign: 1 | -1): Bound[] => {
      const value = fields.number(keyword);
      if (value === undefined) return [];
      if (value * sign < MAX_BOUND) return [{ value, isExclusive }];
      throw fields.fault(keyword, `numbers this far from 0 are not supported, found ${value}`);
    };
    const lows = [...read('exclusiveMinimum', true, 1), ...read('minimum', false, 1)];
    const highs = [...read('exclusiveMaximum', true, -1), ...read('maximum', false, -1)];
    // The exclusive one comes first: of equal bounds it is the stricter.
    const [min] = lows.sort((a, b) => b.value - a.value);
    const [max] = highs.sort((a, b) => a.value - b.value);
    return { ...(min && { min }), ...(max && { max }) };
  }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
