// The scripts of the report that `xinghe evaluate` writes, as one: src/evaluation/report/page/client/.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const entry = fileURLToPath(new URL('../../src/evaluation/report/page/client/main.ts', import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  publicDir: false,
  build: {
    target: 'es2023',
    emptyOutDir: false,
    lib: { entry, formats: ['iife'], name: 'report', fileName: () => 'report.js' },
  },
});
