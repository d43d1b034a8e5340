/** A request body against its schema: the first fault becomes a 400 that names the field. */
import type { z } from 'zod';
import { showValue } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { badRequest } from '../http/index.js';

type Issue = z.core.$ZodIssue;

/** Names logged already; clients could send ever new ones. */
const seen = new Set<string>();
const MAX_SEEN = 256;

/**
 * Fields of other servers that bind the form, the length or the end of an answer, and what takes their place. Passed over
 * like other unknown fields, they would bring free text to a caller who relies on the form. A route may know some of them.
 */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['guided_json', 'structured_outputs.json'],
  ['guided_regex', 'structured_outputs.regex'],
  ['guided_choice', 'structured_outputs.choice'],
  ['guided_grammar', 'structured_outputs.regex or .json'],
  ['grammar', 'structured_outputs.regex or .json'],
  ['json_schema', 'response_format.json_schema'],
  ['guided_whitespace_pattern', 'structured_outputs.regex'],
  ['functions', 'tools'],
  ['function_call', 'tool_choice'],
  ['tools', 'them to /v1/chat/completions'],
  ['tool_choice', 'it to /v1/chat/completions'],
  // SGLang.
  ['regex', 'structured_outputs.regex'],
  ['ebnf', 'structured_outputs.regex or .json'],
  ['structural_tag', 'structured_outputs.regex or .json'],
  ['stop_regex', 'stop'],
  ['custom_logit_processor', 'logit_bias or structured_outputs'],
  ['logits_processors', 'logit_bias or structured_outputs'],
  // llama.cpp.
  ['grammar_lazy', 'structured_outputs'],
  ['grammar_triggers', 'structured_outputs'],
  ['n_predict', 'max_tokens'],
  ['n_indent', 'structured_outputs.regex'],
  ['t_max_predict_ms', 'max_tokens'],
  // TGI, Transformers, Ollama and others.
  ['format', 'response_format'],
  ['output_format', 'response_format'],
  ['response_schema', 'response_format'],
  ['response_mime_type', 'response_format'],
  ['text', 'response_format'],
  ['options', 'its fields at the top, by their names here'],
  ['max_new_tokens', 'max_tokens'],
  ['max_output_tokens', 'max_tokens'],
  ['max_completion_tokens', 'max_tokens'],
  ['max_length', 'max_tokens'],
  ['min_new_tokens', 'min_tokens'],
  ['min_length', 'min_tokens'],
  ['stop_sequences', 'stop'],
  ['stop_words', 'stop'],
  ['stop_strings', 'stop'],
  ['eos_token_id', 'stop_token_ids'],
  ['bad_words_ids', 'bad_words'],
  ['force_words_ids', 'structured_outputs'],
]);

/**
 * @param route names the route in the log
 * @throws HttpError 400 with `param`, a path such as `messages.0.content`
 */
export function parseBody<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  body: unknown,
  route: string,
): z.output<z.ZodObject<Shape>> {
  const result = schema.safeParse(body);
  if (result.success) {
    refuseFieldsElsewhere(schema, body);
    noteUnknownFields(schema, body, route);
    return result.data;
  }
  const [first] = result.error.issues;
  const { path, text } = explain(first, []);
  const param = path.map(String).join('.');
  const location = param === '' ? 'the body' : param;
  throw badRequest(
    `${location}: ${text}, got ${showValue(valueAt(body, path))}`,
    param === '' ? undefined : param,
  );
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** Of the forms that a value may have, the one that it follows furthest is what was meant. */
function explain(issue: Issue | undefined, base: readonly PropertyKey[]): Fault {
  if (issue === undefined) return { path: base, text: 'not valid' };
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) {
    const text = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
    return { path, text };
  }
  const forms = issue.errors.map((errors) => ({
    ...explain(errors[0], path),
    // The type is right, the value is not.
    isNear: errors[0] !== undefined && !isTypeIssue(errors[0]),
  }));
  const nearest = forms.reduce((best, form) => (isFurther(form, best) ? form : best));
  if (nearest.isNear || nearest.path.length > path.length) return nearest;
  return { path, text: [...new Set(forms.map(({ text }) => text))].join(' or ') };
}

function isTypeIssue({ code }: Issue): boolean {
  return code === 'invalid_type' || code === 'invalid_union' || code === 'invalid_value';
}

type Form = Fault & { readonly isNear: boolean };

/** A list whose second item is wrong was followed further than one whose first is. */
function isFurther(form: Form, best: Form): boolean {
  if (form.isNear !== best.isNear) return form.isNear;
  if (form.path.length !== best.path.length) return form.path.length > best.path.length;
  return form.path.some((key, index) => {
    const other = best.path[index];
    return typeof key === 'number' && typeof other === 'number' && key > other;
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (level, key) => (typeof level === 'object' && level !== null ? Reflect.get(level, key) : undefined),
    value,
  );
}

function refuseFieldsElsewhere(schema: z.ZodObject, body: unknown): void {
  for (const [name, instead] of ELSEWHERE) {
    if (Object.hasOwn(schema.shape, name)) continue;
    const value = valueAt(body, [name]);
    if (value !== undefined && value !== null)
      throw badRequest(`${name}: not supported here; give ${instead}`, name);
  }
}

/** Clients send fields of newer versions; who misspells one finds it in the log. */
function noteUnknownFields(schema: z.ZodObject, body: unknown, route: string): void {
  if (typeof body !== 'object' || body === null) return;
  for (const key of Object.keys(body)) {
    if (Object.hasOwn(schema.shape, key)) continue;
    const name = `${route} ${key.slice(0, 64)}`;
    if (seen.has(name) || seen.size >= MAX_SEEN) continue;
    seen.add(name);
    log(`${route}: the field ${JSON.stringify(key.slice(0, 64))} is not known and has no effect.`);
  }
}
