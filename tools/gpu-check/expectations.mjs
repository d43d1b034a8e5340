// What the golden tests use of vitest, in the place of vitest on a machine that has only the packed program: the package
// `vitest` of the archive is this file. Tests run one after the other once all are described.
import { isDeepStrictEqual } from 'node:util';

/** @type {{ name: string, body: () => unknown }[]} */
const tests = [];
/** @type {string[]} */
const groups = [];

/** @param {string} name @param {...unknown} rest options are not looked at: nothing is skipped */
export function describe(name, ...rest) {
  groups.push(name);
  /** @type {() => void} */ (rest.at(-1))();
  groups.pop();
}

/** @param {string} name @param {...unknown} rest */
export function test(name, ...rest) {
  tests.push({ name: [...groups, name].join(' '), body: /** @type {() => unknown} */ (rest.at(-1)) });
}
export const it = test;

/** @param {readonly any[]} cases */
test.each = test.for =
  (cases) => (/** @type {string} */ name, /** @type {(value: any) => unknown} */ body) => {
    for (const value of cases) test(titled(name, value), () => body(value));
  };

/** `$field` of an object, `%s` of anything else. @param {string} name @param {any} value */
function titled(name, value) {
  if (typeof value !== 'object') return name.replace('%s', String(value));
  return name.replaceAll(/\$(\w+)/g, (_, field) => String(value[field]));
}

/** @param {any} value @param {string} [what] */
export function expect(value, what) {
  const demand = (
    /** @type {boolean} */ isMet,
    /** @type {string} */ relation,
    /** @type {unknown} */ other,
  ) => {
    if (!isMet)
      throw new Error(
        `${what === undefined ? '' : `${what}: `}${text(value)} is not ${relation} ${text(other)}`,
      );
  };
  return {
    toBe: (/** @type {unknown} */ other) => demand(Object.is(value, other), '', other),
    toEqual: (/** @type {unknown} */ other) => demand(isDeepStrictEqual(value, other), 'equal to', other),
    toBeLessThan: (/** @type {number} */ other) => demand(value < other, 'less than', other),
    toBeLessThanOrEqual: (/** @type {number} */ other) => demand(value <= other, 'at most', other),
    toBeGreaterThanOrEqual: (/** @type {number} */ other) => demand(value >= other, 'at least', other),
  };
}

/** @param {unknown} value */
function text(value) {
  return (JSON.stringify(value) ?? String(value)).slice(0, 200);
}

/**
 * @param {(result: { name: string, ms: number, fault?: string }) => void} report after each test
 * @returns {Promise<void>}
 */
export async function runTests(report) {
  for (const { name, body } of tests) {
    const start = performance.now();
    let fault;
    try {
      await body();
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    report({ name, ms: Math.round(performance.now() - start), ...(fault !== undefined && { fault }) });
  }
}

/** @returns {number} of all that were described */
export function testCount() {
  return tests.length;
}
