import { compiledModule } from '../workers/index.js';

/** The program of a process that renders the templates sent to it: render-child.ts, compiled. */
export function renderChild(): URL {
  return compiledModule(new URL('./render-child.js', import.meta.url));
}
