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
    noteUnknownFields(schema, body, route);
    return result.data;
  }
  const [first] = result.error.issues;
  const { path, text } = explain(first, []);
  const param = path.map(String).join('.');
  const place = param === '' ? 'the body' : param;
  throw badRequest(
    `${place}: ${text}, got ${showValue(valueAt(body, path))}`,
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
  const faults = issue.errors.map((errors) => explain(errors[0], path));
  const deepest = faults.reduce((best, fault) => (fault.path.length > best.path.length ? fault : best));
  if (deepest.path.length > path.length) return deepest;
  return { path, text: [...new Set(faults.map(({ text }) => text))].join(' or ') };
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (level, key) => (typeof level === 'object' && level !== null ? Reflect.get(level, key) : undefined),
    value,
  );
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
