/**
 * What becomes of every key of a foreign configuration: a tree of the same form, in which each key is mapped, has no meaning
 * here (and says why), or is a section of its own. A key outside the tree is a mistake.
 */
import { didYouMeanHint } from '../config/index.js';
import { InputError } from '../errors/index.js';

/** The key has a meaning here; another file maps it. */
export const mapped = Symbol('mapped');

/** A reason: the key is accepted and has no effect. */
export type KeyRole = typeof mapped | string | KeyTree;

export interface KeyTree {
  readonly [key: string]: KeyRole;
}

export interface IgnoredKey {
  /** With dots: context.mode. */
  readonly key: string;
  readonly reason: string;
}

/**
 * The keys of `value` without effect, in order.
 * @param source names the file in messages
 * @throws InputError with a line for each key that the tree does not have, and for sections that are no mappings
 */
export function sortKeys(value: unknown, tree: KeyTree, source: string): IgnoredKey[] {
  const ignored: IgnoredKey[] = [];
  const problems: string[] = [];
  walk(value, tree, [], ignored, problems);
  if (problems.length > 0) throw new InputError(problems.map((text) => `${source}: ${text}`).join('\n'));
  return ignored;
}

function walk(
  value: unknown,
  tree: KeyTree,
  path: readonly string[],
  ignored: IgnoredKey[],
  problems: string[],
): void {
  if (!isMapping(value)) {
    const location = path.length === 0 ? '' : `${path.join('.')}: `;
    problems.push(`${location}expected a mapping, got ${JSON.stringify(value) ?? 'nothing'}`);
    return;
  }
  for (const [name, content] of Object.entries(value)) {
    const role = Object.hasOwn(tree, name) ? tree[name] : undefined;
    const key = [...path, name].join('.');
    if (role === undefined) problems.push(`${key}: unknown key${suggestion(name, tree)}`);
    else if (typeof role === 'string') ignored.push({ key, reason: role });
    else if (role !== mapped && content !== null) walk(content, role, [...path, name], ignored, problems);
  }
}

function suggestion(name: string, tree: KeyTree): string {
  const hint = didYouMeanHint(name, Object.keys(tree));
  return hint === '' ? '; remove it, or tell what it should do.' : `.${hint}`;
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One line for each reason, for people. */
export function describeIgnored(ignored: readonly IgnoredKey[]): string[] {
  const keysOf = new Map<string, string[]>();
  for (const { key, reason } of ignored) keysOf.set(reason, [...(keysOf.get(reason) ?? []), key]);
  return [...keysOf].map(([reason, keys]) => `no effect (${reason}): ${keys.join(', ')}`);
}
