/** A grammar specification (JSON schema, regex or choice) to an automaton over bytes. */
import { InputError, messageOf } from '../../errors/index.js';
import { parseOrderedJson } from '../../json/index.js';
import { GrammarBuilder, type GrammarNode } from './byte-grammar.js';
import { GrammarAutomaton } from './grammar-automaton.js';
import type { GrammarSpec } from './grammar-spec.js';
import { JsonGrammar } from './json-grammar.js';
import { type PackedGrammar, packGrammar, unpackGrammar } from './packed-grammar.js';
import { regexGrammar } from './regex/regex-grammar.js';
import { schemaGrammar } from './schema/schema-grammar.js';

/** Of a schema as JSON, and of all choices together. */
const MAX_BYTES = 64 * 1024;
const MAX_CHOICES = 10_000;

/**
 * @param maxTokenBytes length of the longest token
 * @param maxKeptFrames as GrammarAutomaton takes it
 * @param maxMilliseconds as GrammarBuilder takes it
 * @throws InputError for a spec that is wrong, not supported or too large
 */
export function compileGrammar(
  spec: GrammarSpec,
  maxTokenBytes: number,
  maxKeptFrames?: number,
  maxMilliseconds?: number,
): GrammarAutomaton {
  return new GrammarAutomaton(
    unpackGrammar(buildGrammar(spec, maxMilliseconds)),
    maxTokenBytes,
    maxKeptFrames,
  );
}

/** @throws InputError for a spec that is wrong, not supported or too large */
export function buildGrammar(spec: GrammarSpec, maxMilliseconds?: number): PackedGrammar {
  const builder = new GrammarBuilder(maxMilliseconds);
  return packGrammar(builder.nodes, rootOf(spec, builder));
}

function rootOf(spec: GrammarSpec, builder: GrammarBuilder): GrammarNode {
  switch (spec.kind) {
    case 'json':
      return new JsonGrammar(builder).object;
    case 'json-schema':
      return schemaGrammar(builder, spec.schema);
    case 'json-schema-text':
      return schemaGrammar(builder, parseOrderedJson(spec.json));
    case 'regex':
      return regexGrammar(builder, spec.pattern);
    case 'choice':
      return builder.literals(spec.choices);
  }
  spec satisfies never;
  return builder.nothing;
}

/** Refuses what is too large before it goes to another thread. @throws InputError naming the limit */
export function checkGrammarSize(spec: GrammarSpec): void {
  if (spec.kind === 'json-schema' || spec.kind === 'json-schema-text') {
    const bytes = spec.kind === 'json-schema' ? sizeOf(spec.schema) : Buffer.byteLength(spec.json);
    if (bytes <= MAX_BYTES) return;
    throw new InputError(`The JSON schema has ${bytes} bytes; at most ${MAX_BYTES} are allowed.`);
  }
  if (spec.kind !== 'choice') return;
  const { choices } = spec;
  if (choices.length === 0) throw new InputError('The list of choices is empty; give at least one text.');
  if (choices.length > MAX_CHOICES) {
    throw new InputError(`There are ${choices.length} choices; at most ${MAX_CHOICES} are allowed.`);
  }
  const bytes = choices.reduce((sum, choice) => sum + Buffer.byteLength(choice), 0);
  if (bytes > MAX_BYTES) {
    throw new InputError(`The choices have ${bytes} bytes together; at most ${MAX_BYTES} are allowed.`);
  }
}

function sizeOf(schema: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(schema) ?? '');
  } catch (error) {
    throw new InputError(`The JSON schema cannot be written as JSON: ${messageOf(error)}.`);
  }
}
