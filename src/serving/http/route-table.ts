/** Finds the route of a request. A tree of path segments: a literal comes before `:name`, that before `*name`. */
import { badRequest, type HttpError } from './http-error.js';
import type { Access, Method, Route } from './route.js';

export type RouteMatch =
  | { readonly kind: 'found'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong-method'; readonly allowed: readonly string[]; readonly access: Access }
  | { readonly kind: 'unknown' };

class Node {
  readonly texts = new Map<string, Node>();
  name: { readonly name: string; readonly node: Node } | undefined;
  rest: { readonly name: string; readonly node: Node } | undefined;
  readonly routes = new Map<Method, Route>();
}

interface Place {
  readonly node: Node;
  readonly params: Readonly<Record<string, string>>;
}

export class RouteTable {
  readonly #root = new Node();
  readonly routes: readonly Route[];

  /** @throws Error for two routes of the same method and path: a fault of ours */
  constructor(routes: readonly Route[]) {
    this.routes = routes;
    for (const route of routes) {
      const node = this.#nodeFor(route.path);
      if (node.routes.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
      node.routes.set(route.method, route);
    }
  }

  /** @param segments decoded, as `pathSegments` gives them */
  find(method: string, segments: readonly string[]): RouteMatch {
    // A base URL that ends with a slash makes `/v1//models`; an empty segment never means anything.
    const match = walk(this.#root, segments, {}) ?? walk(this.#root, withoutEmpty(segments), {});
    if (match === undefined) return { kind: 'unknown' };
    const wanted = method === 'HEAD' ? 'GET' : method;
    for (const [known, route] of match.node.routes)
      if (known === wanted) return { kind: 'found', route, params: match.params };
    const methods = [...match.node.routes.keys()];
    const isOpen = [...match.node.routes.values()].every(({ access }) => access === 'open');
    return {
      kind: 'wrong-method',
      access: isOpen ? 'open' : 'key',
      allowed: [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'],
    };
  }

  #nodeFor(path: string): Node {
    let node = this.#root;
    for (const segment of path.slice(1).split('/')) {
      if (segment.startsWith(':')) {
        node.name ??= { name: segment.slice(1), node: new Node() };
        node = node.name.node;
      } else if (segment.startsWith('*')) {
        node.rest ??= { name: segment.slice(1), node: new Node() };
        node = node.rest.node;
      } else {
        const next = node.texts.get(segment) ?? new Node();
        node.texts.set(segment, next);
        node = next;
      }
    }
    return node;
  }
}

function withoutEmpty(segments: readonly string[]): readonly string[] {
  const full = segments.filter((segment) => segment !== '');
  return full.length === 0 ? [''] : full;
}

function walk(
  node: Node,
  segments: readonly string[],
  params: Readonly<Record<string, string>>,
): Place | undefined {
  const [segment, ...others] = segments;
  if (segment === undefined) return node.routes.size > 0 ? { node, params } : undefined;
  const text = node.texts.get(segment);
  const byText = text && walk(text, others, params);
  if (byText !== undefined) return byText;
  if (segment === '') return undefined;
  const byName = node.name && walk(node.name.node, others, { ...params, [node.name.name]: segment });
  if (byName !== undefined || node.rest === undefined || segments.includes('')) return byName;
  return { node: node.rest.node, params: { ...params, [node.rest.name]: segments.join('/') } };
}

export interface RequestTarget {
  /** As it stands in the request, without the query: for the log. */
  readonly path: string;
  /** Of a target that is a whole URL: it counts, not the Host header (RFC 9112, 3.2.2). */
  readonly host: string | undefined;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** More are no path of ours, and would cost a walk of the tree. */
const MAX_SEGMENTS = 32;

/**
 * The path's segments, each decoded on its own, so that `%2F` is no separator and `..` no parent: nothing here is ever a
 * file name.
 * @throws HttpError 400 for a target that is neither a path nor an http URL, and for a broken or hidden character
 */
export function parseTarget(target: string): RequestTarget {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const local = target.slice(origin.length);
  if (!local.startsWith('/') && origin === '') throw wrongTarget(target);
  const [beforeFragment = ''] = local.split('#', 1);
  const mark = beforeFragment.indexOf('?');
  const path = (mark < 0 ? beforeFragment : beforeFragment.slice(0, mark)) || '/';
  const query = new URLSearchParams(mark < 0 ? '' : beforeFragment.slice(mark + 1));
  const raw = path.slice(1).split('/');
  if (raw.length > MAX_SEGMENTS) throw wrongTarget(path);
  const host = origin === '' ? undefined : origin.slice(origin.indexOf('//') + 2);
  return { path, host, segments: raw.map((segment) => decodeSegment(segment, path)), query };
}

function decodeSegment(segment: string, path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    throw wrongTarget(path);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (/[\u0000-\u001f\u007f]/.test(decoded)) throw wrongTarget(path);
  return decoded;
}

function wrongTarget(target: string): HttpError {
  return badRequest(`The request target ${JSON.stringify(target.slice(0, 100))} is no path of a URL.`);
}
