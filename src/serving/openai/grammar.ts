/** response_format and structured_outputs to the grammar that an answer must follow. */
import { InputError } from '../../errors/index.js';
import { parseJson } from '../../formats/index.js';
import type { GrammarSpec } from '../../generation/index.js';
import { badRequest } from '../http/index.js';
import type { SharedFields } from './fields.js';

/** Characters of JSON; larger ones take too long to compile. */
const MAX_GRAMMAR = 65_536;

/** @throws HttpError 400 for both at once, a schema that is missing, no JSON or too large */
export function grammarOf(fields: SharedFields): GrammarSpec | undefined {
  const { response_format: format, structured_outputs: structured } = fields;
  const byFormat = grammarOfFormat(format);
  if (structured === undefined) return checkSize(byFormat, 'response_format');
  if (byFormat !== undefined)
    throw badRequest('structured_outputs: not together with response_format', 'structured_outputs');
  return checkSize(grammarOfOutputs(structured), 'structured_outputs');
}

function grammarOfFormat(format: SharedFields['response_format']): GrammarSpec | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return format.schema === undefined ? { kind: 'json' } : { kind: 'json-schema', schema: format.schema };
    case 'json_schema': {
      const { schema } = format.json_schema;
      if (schema !== undefined) return { kind: 'json-schema', schema };
      const param = 'response_format.json_schema.schema';
      throw badRequest(`${param}: missing; expected a JSON schema`, param);
    }
    default:
      return format satisfies never;
  }
}

function grammarOfOutputs({
  json,
  regex,
  choice,
}: NonNullable<SharedFields['structured_outputs']>): GrammarSpec {
  if (regex !== undefined) return { kind: 'regex', pattern: regex };
  if (choice !== undefined) return { kind: 'choice', choices: choice };
  if (json === undefined) return { kind: 'json' };
  return { kind: 'json-schema', schema: typeof json === 'string' ? parseSchema(json) : json };
}

function parseSchema(text: string): unknown {
  const param = 'structured_outputs.json';
  if (text.length > MAX_GRAMMAR)
    throw badRequest(`${param}: ${text.length} characters; a grammar may have ${MAX_GRAMMAR}`, param);
  try {
    return parseJson(text, param, { keyOrder: true });
  } catch (error) {
    if (error instanceof InputError) throw badRequest(error.message, param);
    throw error;
  }
}

export function checkSize(grammar: GrammarSpec | undefined, param: string): GrammarSpec | undefined {
  const size = JSON.stringify(grammar ?? null).length;
  if (size > MAX_GRAMMAR)
    throw badRequest(`${param}: ${size} characters; a grammar may have ${MAX_GRAMMAR}`, param);
  return grammar;
}
