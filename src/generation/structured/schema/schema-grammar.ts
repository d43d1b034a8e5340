import type { GrammarBuilder, GrammarNode, RuleNode } from '../byte-grammar.js';
import { JsonGrammar } from '../json-grammar.js';
import { alternativesOf } from './alternatives.js';
import { ArrayGrammar } from './array-grammar.js';
import { type Conjunction, type LocatedSchema, SchemaScope } from './conjunction.js';
import { ValueCheck } from './matches.js';
import { numberNode } from './number-node.js';
import { ObjectGrammar } from './object-grammar.js';
import { type JsonType, type SchemaFields, schemaError } from './schema-keywords.js';
import { stringNode } from './string-node.js';
import { StringTexts } from './string-texts.js';
import { typesOf } from './value-types.js';

/**
 * The JSON texts whose value matches a schema, on one line and with the properties in the schema's order. Properties
 * that the schema does not name are written only if `additionalProperties` is there and not false.
 * @throws InputError that names the place, for a keyword that is not honoured or a schema that is wrong
 */
export function schemaGrammar(builder: GrammarBuilder, schema: unknown): GrammarNode {
  if (schema === undefined) throw schemaError('#', 'expected a schema, found undefined');
  return new SchemaReader(builder, schema).read();
}

/** What the parts of the reader share. */
export interface SchemaReading {
  readonly builder: GrammarBuilder;
  readonly json: JsonGrammar;
  readonly scope: SchemaScope;
  readonly texts: StringTexts;
  readonly check: ValueCheck;
  /** The values that all of these allow; undefined if one of them allows none. */
  node(schemas: readonly LocatedSchema[]): GrammarNode | undefined;
  /** The constants that all parts allow; undefined where no part lists any. */
  constants(parts: readonly SchemaFields[]): readonly unknown[] | undefined;
  /** The ways in which a conjunction can hold; undefined where it does not offer several. */
  alternatives(conjunction: Conjunction): Conjunction[] | undefined;
}

class SchemaReader implements SchemaReading {
  readonly builder: GrammarBuilder;
  readonly json: JsonGrammar;
  readonly scope: SchemaScope;
  readonly texts: StringTexts;
  readonly check: ValueCheck;
  readonly #objects: ObjectGrammar;
  readonly #arrays: ArrayGrammar;
  readonly #checkTime: () => void;
  readonly #rules = new Map<string, RuleNode>();
  /** Rules that are still to be defined; not at once, since schemas may be circular or long chains. */
  readonly #pending: { rule: RuleNode; conjunction: Conjunction }[] = [];

  constructor(builder: GrammarBuilder, root: unknown) {
    this.builder = builder;
    this.json = new JsonGrammar(builder);
    this.scope = new SchemaScope(root);
    this.#checkTime = () => builder.checkTime();
    this.texts = new StringTexts(this.#checkTime);
    this.check = new ValueCheck(this.scope, this.texts, this.#checkTime);
    this.#objects = new ObjectGrammar(this);
    this.#arrays = new ArrayGrammar(this);
  }

  read(): GrammarNode {
    const root = this.node([this.scope.root]) ?? this.builder.nothing;
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      next.rule.target = this.#build(next.conjunction);
    }
    return root;
  }

  node(schemas: readonly LocatedSchema[]): GrammarNode | undefined {
    this.#checkTime();
    const conjunction = this.scope.conjunction(schemas);
    return conjunction && this.#conjunction(conjunction);
  }

  constants(parts: readonly SchemaFields[]): readonly unknown[] | undefined {
    const source = parts.find((part) => part.has('const') || part.has('enum'));
    if (source === undefined) return undefined;
    const keyword = source.has('const') ? 'const' : 'enum';
    const values = keyword === 'const' ? [source.get('const')] : (source.list('enum') ?? []);
    // Not against its own list, which may be long.
    const checks = parts.map((part) => (part === source ? part.without(keyword) : part));
    const fitting = values.filter((value) => checks.every((part) => this.check.matches(value, part)));
    if (fitting.length === 0 && parts.length === 1)
      throw source.fault(keyword, 'no value here fits what stands beside it');
    return fitting;
  }

  alternatives(conjunction: Conjunction): Conjunction[] | undefined {
    return alternativesOf(this.scope, conjunction, this.#checkTime);
  }

  #conjunction(conjunction: Conjunction): GrammarNode {
    if (conjunction.parts.size === 0) return this.json.value;
    const known = this.#rules.get(conjunction.key);
    if (known !== undefined) return known;
    const rule = this.builder.rule();
    this.#rules.set(conjunction.key, rule);
    this.#pending.push({ rule, conjunction });
    return rule;
  }

  #build(conjunction: Conjunction): GrammarNode {
    const parts = [...conjunction.parts.values()];
    const constants = this.constants(parts);
    if (constants !== undefined) return this.#constantsNode(constants);
    const alternatives = this.alternatives(conjunction);
    if (alternatives !== undefined) {
      const byKey = new Map(alternatives.map((each) => [each.key, each]));
      return this.builder.choice([...byKey.values()].map((each) => this.#conjunction(each)));
    }
    const types = typesOf(parts);
    if (types === undefined) return this.json.value;
    return this.builder.choice(types.map((type) => this.#ofType(type, parts)));
  }

  #constantsNode(values: readonly unknown[]): GrammarNode {
    const isScalar = (value: unknown) => typeof value !== 'object' || value === null;
    const scalars = values.filter(isScalar).map((value) => JSON.stringify(value));
    const others = values.filter((value) => !isScalar(value)).map((value) => this.json.constant(value));
    return this.builder.choice(scalars.length > 0 ? [this.builder.literals(scalars), ...others] : others);
  }

  #ofType(expected: JsonType, parts: readonly SchemaFields[]): GrammarNode {
    switch (expected) {
      case 'object':
        return this.#objects.node(parts);
      case 'array':
        return this.#arrays.node(parts);
      case 'string':
        return stringNode(this, parts);
      case 'number':
      case 'integer':
        return numberNode(this.builder, parts, expected === 'integer');
      case 'boolean':
        return this.builder.literals(['true', 'false']);
      case 'null':
        return this.builder.literal('null');
    }
    expected satisfies never;
    return this.builder.nothing;
  }
}
