// The golden tests on one device (XINGHE_TEST_DEVICE), a line of JSON each; the first says how many there are.
import { runTests, testCount } from 'vitest';
import { prepareRuntime } from '../dist/tensor/index.js';
import { describeGoldens } from '../tests/support/golden-suite.js';

const print = (/** @type {unknown} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);

prepareRuntime();
const isSmall = process.argv.includes('--small');
describeGoldens(undefined, ({ name }) => !isSmall || !name.startsWith('long'));
print({ tests: testCount() });
await runTests(print);
