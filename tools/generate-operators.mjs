// Writes src/tensor/generated/operators.ts: the typed signature of every operator that libtorch's dispatcher knows,
// made from the schemas themselves. Run after a change of the libtorch version: node tools/generate-operators.mjs
// With --check it writes nothing and ends with 1 if the file differs from what the libtorch of its version gives.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The libtorch whose operators are declared; another one's differ in details. */
const declaredVersion = '2.13';
const declaredPlatform = 'linux-x64';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const native = createRequire(import.meta.url)(join(root, 'build', 'xinghe.node'));

const reserved = new Set(
  'default in function class new this var let const return delete with if else for while do switch case break continue import export super typeof void enum extends null true false try catch throw yield await static interface package private protected public implements'.split(
    ' ',
  ),
);

/** Splits at commas outside brackets. @param {string} text */
function splitArguments(text) {
  const parts = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"' || character === "'") quoted = !quoted;
    if (quoted) continue;
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character)) depth--;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  return last === '' ? parts : [...parts, last];
}

/** A schema type as TypeScript; undefined where JavaScript has no value for it. @param {string} type @returns {string | undefined} */
function typescriptType(type) {
  const bare = type.replace(/\([a-z!*| >-]*\)/g, '').trim();
  if (bare.endsWith('?')) {
    const inner = typescriptType(bare.slice(0, -1));
    return inner === undefined ? undefined : `${inner} | null`;
  }
  const list = /^(.*)\[\d*\]$/.exec(bare);
  if (list !== null) {
    const inner = typescriptType(list[1]);
    if (inner === undefined) return undefined;
    return /[ |]/.test(inner) ? `readonly (${inner})[]` : `readonly ${inner}[]`;
  }
  switch (bare) {
    case 'Tensor':
      return 'Tensor';
    case 'Scalar':
    case 'number':
      return 'Scalar';
    case 'int':
    case 'SymInt':
    case 'float':
      return 'number';
    case 'bool':
      return 'boolean';
    case 'Any': // the name of a process group
    case 'str':
      return 'string';
    case 'ScalarType':
      return 'DType';
    case 'Layout':
      return "'strided' | 'sparse'";
    case 'MemoryFormat':
      return "'contiguous' | 'preserve' | 'channels_last'";
    case 'Device':
      return 'string';
    case 'Generator':
      return 'RandomGenerator';
    default:
      return undefined;
  }
}

/** @param {string} schema */
function declaration(schema) {
  const match = /^([\w:.]+)\((.*)\) -> (.*)$/.exec(schema);
  if (match === null) return undefined;
  const [, name, argumentText, resultText] = match;
  const parameters = [];
  for (const argument of splitArguments(argumentText)) {
    if (argument === '*') continue;
    const parts = /^(.+?)\s(\w+)(?:=(.*))?$/.exec(argument);
    if (parts === null) return undefined;
    const type = typescriptType(parts[1]);
    if (type === undefined) return undefined;
    let parameterName = reserved.has(parts[2]) ? `${parts[2]}_` : parts[2];
    while (parameters.some((parameter) => parameter.name === parameterName)) parameterName += '_';
    parameters.push({
      name: parameterName,
      type,
      optional: parts[3] !== undefined || parts[1].endsWith('?'),
    });
  }
  const results =
    /^\((.*)\)$/.test(resultText) && !/^\([a-z]!?\)/.test(resultText)
      ? splitArguments(resultText.slice(1, -1))
      : [resultText];
  const resultTypes = results.map((result) => typescriptType(result.replace(/\s\w+$/, '')));
  if (resultTypes.some((type) => type === undefined)) return undefined;
  const mutable = (type) => type.replace(/^readonly /, '').replace('Scalar', 'number');
  const result =
    resultTypes.length === 0
      ? 'void'
      : resultTypes.length === 1
        ? mutable(resultTypes[0])
        : `[${resultTypes.map(mutable).join(', ')}]`;
  const lastRequired = parameters.findLastIndex((parameter) => !parameter.optional);
  const list = parameters.map((parameter, index) =>
    !parameter.optional
      ? `${parameter.name}: ${parameter.type}`
      : index > lastRequired
        ? `${parameter.name}?: ${parameter.type} | undefined`
        : `${parameter.name}: ${parameter.type} | undefined`,
  );
  return {
    name,
    text: `  /** ${schema.replaceAll('*/', '*\\/')} */\n  '${name}': (${list.join(', ')}) => ${result};`,
  };
}

const declarations = native
  .listOperators()
  .map(declaration)
  .filter((entry) => entry !== undefined);
declarations.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
const file = join(root, 'src', 'tensor', 'generated', 'operators.ts');
const text = `/**
 * Every operator of libtorch's dispatcher that JavaScript can call. Generated by tools/generate-operators.mjs
 * from the schemas; do not edit. Keyword-only arguments follow in the schema's order.
 */
import type { DType } from '../dtype.js';
import type { RandomGenerator } from '../random-generator.js';
import type { Tensor } from '../tensor.js';

export type Scalar = number | bigint | boolean;

export interface Operators {
${declarations.map((entry) => entry.text).join('\n')}
}
`;
const platform = `${process.platform}-${process.arch}`;
if (!process.argv.includes('--check')) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.error(`generate-operators: ${declarations.length} of ${native.listOperators().length} operators`);
} else if (!native.torchVersion().startsWith(`${declaredVersion}.`) || platform !== declaredPlatform)
  console.error(
    `generate-operators: skipped, as this is libtorch ${native.torchVersion()} on ${platform}; ` +
      `declared are the operators of ${declaredVersion} on ${declaredPlatform}`,
  );
else {
  const lines = readFileSync(file, 'utf8').split('\n');
  const differing = text.split('\n').findIndex((line, index) => line !== lines[index]);
  if (differing >= 0 || lines.length !== text.split('\n').length) {
    console.error(
      `generate-operators: ${file}:${differing + 1} differs from the schemas of libtorch; run the tool without --check`,
    );
    process.exitCode = 1;
  }
}
