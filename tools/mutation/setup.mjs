// Runs before each test file of a mutation run: says which fault is active, or notes which places the file's tests reach.
import { appendFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';

const active = process.env.XINGHE_FAULT === undefined ? undefined : Number(process.env.XINGHE_FAULT);
/** A mark for each fault whose place was reached. Sets would slow down the loops that they stand in. */
const marks = new Uint8Array(2 ** 16);
Reflect.set(
  globalThis,
  'isFault',
  active === undefined
    ? (/** @type {number} */ id) => {
        marks[id] = 1;
        return false;
      }
    : (/** @type {number} */ id) => id === active,
);

afterAll(() => {
  const file = process.env.XINGHE_REACHED;
  if (file !== undefined)
    appendFileSync(
      file,
      `${JSON.stringify({ test: expect.getState().testPath, reached: reachedFaults() })}\n`,
    );
});

function reachedFaults() {
  return [...marks.keys()].filter((id) => marks[id] === 1);
}
