import { describe, expect, it } from 'vitest';
import type { Method, Route } from './route.js';
import { parseTarget, RouteTable } from './route-table.js';

function route(path: string, method: Method = 'GET'): Route {
  return { method, path, access: 'key', body: 'none', handler: () => undefined };
}

const table = new RouteTable([
  route('/'),
  route('/v1/models'),
  route('/v1/models/*id'),
  route('/v1/models/special'),
  route('/v1/:kind/list'),
  route('/v1/:kind/list', 'POST'),
  route('/assets/'),
]);

function find(target: string, method = 'GET'): string {
  const match = table.find(method, parseTarget(target).segments);
  return match.kind === 'found' ? `${match.route.path} ${JSON.stringify(match.params)}` : match.kind;
}

describe('RouteTable', () => {
  it.each([
    ['/', '/ {}'],
    ['', '/ {}'],
    ['http://localhost:80', '/ {}'],
    ['/v1/models', '/v1/models {}'],
    ['/%76%31/models?x=/y', '/v1/models {}'],
    ['/v1/models/special', '/v1/models/special {}'],
    ['/v1/models/special/x', '/v1/models/*id {"id":"special/x"}'],
    ['/v1/models/org/name', '/v1/models/*id {"id":"org/name"}'],
    ['/v1/models/org%2Fname', '/v1/models/*id {"id":"org/name"}'],
    ['/v1/models/list', '/v1/models/*id {"id":"list"}'],
    ['/v1/things/list', '/v1/:kind/list {"kind":"things"}'],
    ['/v1/../list', '/v1/:kind/list {"kind":".."}'],
    ['/v1/things/other', 'unknown'],
    ['/v1/models/', '/v1/models {}'],
    ['/v1//models', '/v1/models {}'],
    ['//v1/models//special/', '/v1/models/special {}'],
    ['//', '/ {}'],
    ['/v1//list', 'unknown'],

    ['/assets/', '/assets/ {}'],
    ['/assets', 'unknown'],
  ])('%s', (target, expected) => {
    if (target === '') expect(() => parseTarget(target)).toThrow(/no path/);
    else expect(find(target)).toBe(expected);
  });

  it('HEAD is a GET; another method is told what there is', () => {
    expect(find('/v1/models', 'HEAD')).toBe('/v1/models {}');
    expect(table.find('PUT', ['v1', 'x', 'list'])).toEqual({
      kind: 'wrong-method',
      access: 'key',
      allowed: ['GET', 'POST', 'HEAD', 'OPTIONS'],
    });
  });

  it('two routes of one place are a fault', () => {
    expect(() => new RouteTable([route('/a'), route('/a')])).toThrow('two routes for GET /a');
  });

  it.each(['x', '*', 'ftp://x/', '/%', '/%ff', '/%00', '/a%0ab', `/${'a/'.repeat(40)}`])(
    '%s is no target',
    (target) => {
      expect(() => parseTarget(target)).toThrow(/is no path of a URL/);
    },
  );
});
