import { defineConfig } from 'vitest/config';

const long = process.env.XINGHE_TEST_LONG === '1';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: long ? [] : ['**/*.long.test.ts'],
    // Each worker process loads libtorch once; more workers than cores only compete for them.
    pool: 'forks',
    maxWorkers: 2,
    // Few spins: a thread that waits must not take the processor from the other worker.
    env: { OMP_NUM_THREADS: '1', GOMP_SPINCOUNT: '1000' },
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 120_000,
  },
});
