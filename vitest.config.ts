import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const long = process.env.XINGHE_TEST_LONG === '1';
const exclude = long ? [] : ['**/*.long.test.ts'];

/**
 * Tests that count the tensors or the bytes of their process: in one that is shared, what another file left there may be
 * freed meanwhile. And those that put a module in the place of another, which the others have read already.
 */
const ALONE = /\bliveTensorCount\b|\bmemoryUsage\b|\bresourceUsage\b|\bmeasureTraining\b|\bvi\.mock\b/;
const alone = readdirSync(join(import.meta.dirname, 'src'), { recursive: true, encoding: 'utf8' })
  .map((path) => `src/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.test.ts'))
  // Processes that render templates stay until the process ends that asked them.
  .filter(
    (path) => path.includes('template') || ALONE.test(readFileSync(join(import.meta.dirname, path), 'utf8')),
  );

export default defineConfig({
  test: {
    // Each worker process loads libtorch once; more workers than cores only compete for them.
    pool: 'forks',
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: '1' },
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['src/**/*.test.ts', 'web/**/*.test.ts'],
          exclude: [...exclude, ...alone],
          // Reading our modules takes longer than most of these files do: a process reads them once for many.
          isolate: false,
        },
      },
      {
        extends: true,
        // After the others, so that their processes stay.
        test: {
          name: 'whole',
          include: ['tests/**/*.test.ts', ...alone],
          exclude,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
