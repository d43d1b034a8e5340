/** `--set key.path=value`: changes to a configuration from the command line. */
import { InputError } from '../errors/index.js';
import { parseYaml } from './yaml.js';

type Container = readonly unknown[] | Readonly<Record<string, unknown>>;

/**
 * The value with `a.b=value` overrides applied in order; the original is not changed. Missing mappings are made;
 * in a list the key is an index (its length appends). A value is a number, true, false, null or text as in YAML,
 * or a list, mapping or quoted text in YAML's flow form (which includes JSON).
 * @param nullRemoves null takes the key out of its mapping, so that a section falls away or a default comes back; default
 *   false: the value is null. An item of a list becomes null in both cases.
 * @throws InputError for an override without `=`, an empty or unfitting key, a faulty value.
 */
export function applyOverrides(
  value: unknown,
  overrides: readonly string[],
  { nullRemoves = false }: { readonly nullRemoves?: boolean } = {},
): unknown {
  return overrides.reduce((changed, override) => applyOverride(changed, override, nullRemoves), value);
}

/** Stands for a key that is to be taken out. */
const REMOVED = Symbol('removed');

function applyOverride(value: unknown, override: string, nullRemoves: boolean): unknown {
  const equals = override.indexOf('=');
  const path = override.slice(0, Math.max(equals, 0)).trim().split('.');
  if (equals < 0 || path.includes('')) {
    throw new InputError(
      `--set ${override}: expected key=value, such as training.steps=100 or stages.0.name=x.`,
    );
  }
  const leaf = parseValue(override.slice(equals + 1).trim(), override);
  return setAt(value, path, 0, leaf === null && nullRemoves ? REMOVED : leaf, override);
}

/** Plain text that YAML would read as a scalar; anything else without brackets or quotes is text as it stands. */
const PLAIN = /^(?:[-+]?\.?\w[-+.\w]*|~?)$/;

function parseValue(text: string, override: string): unknown {
  if (!PLAIN.test(text) && !/^[[{"']/.test(text)) return text;
  return parseYaml(text, `--set ${override}, value`) ?? null;
}

function setAt(
  value: unknown,
  path: readonly string[],
  depth: number,
  leaf: unknown,
  override: string,
): unknown {
  const key = path[depth];
  if (key === undefined) return leaf;
  const container = value ?? {};
  if (!isContainer(container)) {
    const location = path.slice(0, depth).join('.') || 'the configuration';
    throw new InputError(
      `--set ${override}: ${location} is ${JSON.stringify(container)}, it has no key ${key}.`,
    );
  }
  if (!isList(container)) {
    const child = Object.hasOwn(container, key) ? container[key] : undefined;
    const changed = setAt(child, path, depth + 1, leaf, override);
    if (changed === REMOVED)
      return Object.fromEntries(Object.entries(container).filter(([name]) => name !== key));
    return Object.fromEntries([...Object.entries(container), [key, changed]]);
  }
  const index = /^\d+$/.test(key) ? Number(key) : -1;
  if (index < 0 || index > container.length) {
    const location = path.slice(0, depth).join('.') || 'the configuration';
    throw new InputError(
      `--set ${override}: ${location} is a list; expected an index from 0 to ${container.length}, found ${key}.`,
    );
  }
  const list = [...container];
  const item = setAt(list[index], path, depth + 1, leaf, override);
  list[index] = item === REMOVED ? null : item;
  return list;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function isList(value: Container): value is readonly unknown[] {
  return Array.isArray(value);
}
