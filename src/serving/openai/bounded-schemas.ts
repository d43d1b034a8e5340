/**
 * Lists and maps that are counted before they are looked into, and looked into up to their first fault: zod's own gather all
 * faults before they count, which for half a million wrong items takes seconds.
 */
import { z } from 'zod';

export interface ListLimits {
  /** Default 0. */
  readonly min?: number | undefined;
  readonly max: number;
}

type Payload = z.core.ParsePayload;
type Context = z.core.ParseContextInternal;

/** As `z.array(item)` with limits. */
export function list<Item extends z.ZodType>(
  item: Item,
  { min = 0, max }: ListLimits,
): z.ZodType<z.output<Item>[], z.input<Item>[]> {
  const schema = z.array(item).min(min).max(max);
  return stopEarly(schema, (payload, context) => {
    const { value } = payload;
    if (!Array.isArray(value) || isTooLong(payload, value, max, schema)) return;
    const items: unknown[] = [];
    for (const [index, each] of value.entries()) {
      const result = runNow(item, each, context);
      if (addFaults(payload, result, index)) return;
      items.push(result.value);
    }
    payload.value = items;
  });
}

const MAX_ID = 2 ** 31 - 1;
export const tokenId = z.int().min(0).max(MAX_ID);

/** Token ids: hundreds of thousands are usual, so each is one comparison. */
export function idList({ min = 0, max }: ListLimits): z.ZodType<number[], number[]> {
  const schema = z.array(tokenId).min(min).max(max);
  return stopEarly(schema, (payload, context) => {
    const { value } = payload;
    if (!Array.isArray(value) || isTooLong(payload, value, max, schema)) return;
    const index = value.findIndex((id) => !Number.isInteger(id) || id < 0 || id > MAX_ID);
    if (index >= 0) addFaults(payload, runNow(tokenId, value[index], context), index);
  });
}

/** As `z.record(key, value)`, with so many entries at most. */
export function map<Value extends z.ZodType>(
  key: z.ZodType<string, string>,
  item: Value,
  max: number,
): z.ZodRecord<z.ZodType<string, string>, Value> {
  const schema = z.record(key, item);
  return stopEarly(schema, (payload, context) => {
    const { value } = payload;
    if (!isObject(value)) return;
    const keys = Object.keys(value);
    if (isTooLong(payload, keys, max, schema)) return;
    const entries: [string, unknown][] = [];
    for (const name of keys) {
      const faults = runNow(key, name, context);
      if (addFaults(payload, faults, name)) return;
      const result = runNow(item, Reflect.get(value, name), context);
      if (addFaults(payload, result, name)) return;
      entries.push([name, result.value]);
    }
    payload.value = Object.fromEntries(entries);
  });
}

/** Any JSON object, as it is: nothing in it is looked at. */
export function anyObject(): z.ZodType<Record<string, unknown>, Record<string, unknown>> {
  return stopEarly(z.record(z.string(), z.unknown()), () => undefined);
}

/** Gives a schema of zod a parser of its own; what is no list or no object at all stays with zod's. */
function stopEarly<Schema extends z.ZodType>(
  schema: Schema,
  parse: (payload: Payload, context: Context) => void,
): Schema {
  const whole = schema._zod.parse;
  const parseEarly: typeof whole = (payload, context) => {
    const isForm = schema instanceof z.ZodArray ? Array.isArray(payload.value) : isObject(payload.value);
    if (!isForm) return whole(payload, context);
    parse(payload, context);
    return payload;
  };
  schema._zod.parse = parseEarly;
  // Where a schema has no checks, zod calls `run` and never `parse`.
  if ((schema._zod.def.checks?.length ?? 0) === 0) schema._zod.run = parseEarly;
  return schema;
}

function runNow(schema: z.ZodType, value: unknown, context: Context): Payload {
  const result = schema._zod.run({ value, issues: [] }, context);
  if (result instanceof Promise) throw new Error('a schema of a body must not be asynchronous');
  return result;
}

function addFaults(payload: Payload, { issues }: Payload, key: PropertyKey): boolean {
  for (const issue of issues) payload.issues.push({ ...issue, path: [key, ...(issue.path ?? [])] });
  return issues.length > 0;
}

function isTooLong(payload: Payload, items: readonly unknown[], max: number, inst: z.ZodType): boolean {
  if (items.length <= max) return false;
  const { value: input } = payload;
  payload.issues.push({
    code: 'custom',
    message: `Too many: expected at most ${max}, got ${items.length}`,
    input,
    inst,
  });
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
