// The script of the page that `xinghe export` writes, as one: src/export/page/client/. It brings our own tokenizers and chat formats,
// so nothing of Node may be left: what only reads files falls away, since no module counts as having effects of its own.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const entry = fileURLToPath(new URL('../../src/export/page/client/main.ts', import.meta.url));
const absent = '\0absent';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  publicDir: false,
  plugins: [
    {
      name: 'without-node',
      enforce: 'pre',
      resolveId: (id) => (id.startsWith('node:') ? absent : undefined),
      load: (id) => (id === absent ? 'export {};' : undefined),
    },
  ],
  build: {
    target: 'es2023',
    emptyOutDir: false,
    rolldownOptions: {
      shimMissingExports: true,
      onLog: (level, log, handle) => (log.code === 'SHIMMED_EXPORT' ? undefined : handle(level, log)),
      treeshake: { moduleSideEffects: (id) => id === entry },
    },
    lib: { entry, formats: ['es'], fileName: () => 'page.js' },
  },
});
