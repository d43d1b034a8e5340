/**
 * What is in the long suite alone (`npm run test:long`), though the rest of its file is in the quick one, too: there each
 * kind of case has one or a few.
 */
import { type TestContext, type TestOptions, test } from 'vitest';

export const isLongSuite = process.env.XINGHE_TEST_LONG === '1';

/** All cases in the long suite, those that `isQuick` picks in the quick one. */
export function casesOf<Case>(
  all: readonly Case[],
  isQuick: (one: Case, index: number) => boolean,
): readonly Case[] {
  return isLongSuite ? all : all.filter(isQuick);
}

/** A test that the quick suite does not have. */
export function longTest(
  name: string,
  run: (context: TestContext) => Promise<void> | void,
  options: TestOptions = {},
): void {
  if (isLongSuite) test(name, options, run);
}
