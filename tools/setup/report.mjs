// What the set-up says (stderr only: stdout belongs to the command that runs afterwards) and how it gives up.

/** Something the user can put right. The message says what was looked for, where, what was found and what to do. */
export class SetupError extends Error {}

/** The user stopped the set-up. */
export class Interrupted extends Error {}

let quiet = false;

/** @param {boolean} value true silences `say`; failures are still reported */
export function setQuiet(value) {
  quiet = value;
}

/** @param {string} text */
export function say(text) {
  if (!quiet) process.stderr.write(`setup: ${text}\n`);
}

/** @param {number} start `performance.now()` of the beginning @returns {string} such as "12.3 s" */
export function since(start) {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
