/** The products for older processors: the same tests in a process that is told to be one. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const tests = fileURLToPath(new URL('./integer-linear.test.ts', import.meta.url));

test.each(['default', 'avx2'])('%s', { timeout: 300_000 }, (capability) => {
  const { status, stdout } = spawnSync('npx', ['vitest', 'run', tests], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1', ATEN_CPU_CAPABILITY: capability },
  });
  expect(status, stdout).toBe(0);
  expect(stdout).toMatch(/Tests .* 9\d passed/);
});
