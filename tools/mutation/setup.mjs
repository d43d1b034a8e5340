// Runs before each test file of a mutation run: says which fault is active, or notes which places the file's tests reach.
import { appendFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';

const active = process.env.XINGHE_FAULT === undefined ? undefined : Number(process.env.XINGHE_FAULT);
/** @type {Set<number>} */
const reached = new Set();
Reflect.set(globalThis, 'isFault', (/** @type {number} */ id) => {
  if (active === undefined) reached.add(id);
  return id === active;
});

afterAll(() => {
  const file = process.env.XINGHE_REACHED;
  if (file !== undefined)
    appendFileSync(file, `${JSON.stringify({ test: expect.getState().testPath, reached: [...reached] })}\n`);
});
