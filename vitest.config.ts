import { defineConfig } from 'vitest/config';

const long = process.env.XINGHE_TEST_LONG === '1';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'web/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: long ? [] : ['**/*.long.test.ts'],
    // Each worker process loads libtorch once; more workers than cores only compete for them.
    pool: 'forks',
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: '1' },
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 120_000,
  },
});
