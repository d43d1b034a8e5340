// The tests over sources with all faults compiled in; which one is active, $XINGHE_FAULT says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { instrument } from './mutants.mjs';

const root = join(import.meta.dirname, '..', '..');
/** @type {Record<string, number>} instrumented files, with the number of their first fault */
const targets = JSON.parse(readFileSync(process.env.XINGHE_MUTATION_TARGETS ?? '', 'utf8'));

export default defineConfig({
  root,
  plugins: [
    {
      name: 'faults',
      enforce: 'pre',
      transform(code, id) {
        const first = targets[id.slice(root.length + 1)];
        return first === undefined ? undefined : { code: instrument(code, first), map: null };
      },
    },
  ],
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: ['**/*.long.test.ts'],
    setupFiles: [join(import.meta.dirname, 'setup.mjs')],
    pool: 'forks',
    maxWorkers: Number(process.env.XINGHE_MUTATION_WORKERS ?? 1),
    env: { OMP_NUM_THREADS: '1' },
    // tools/mutation.mjs ends what takes too long; a busy machine is no fault.
    testTimeout: 0,
    hookTimeout: 0,
  },
});
