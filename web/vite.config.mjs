import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Every browser of the last years reads woff2; KaTeX names two older forms of each font beside it. */
const onlyNewFonts = {
  name: 'only-new-fonts',
  enforce: /** @type {const} */ ('pre'),
  /** @param {string} code @param {string} id */
  transform(code, id) {
    if (!/katex.*\.css/.test(id)) return undefined;
    return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\([^)]*\)/g, '');
  },
};

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // The page may stand below any path of a reverse proxy.
  base: './',
  plugins: [onlyNewFonts],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // Nothing inline: the page's policy forbids it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  // `npx vite web` beside a running `xinghe serve --port 8000`.
  server: {
    proxy: Object.fromEntries(['/v1', '/health', '/props'].map((path) => [path, 'http://127.0.0.1:8000'])),
  },
});
