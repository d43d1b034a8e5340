/** The files of the page, by their path. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compiledModule } from '../../../workers/index.js';
import { pageHtml } from './html.js';
import { pageStyle } from './style.js';

export interface Asset {
  readonly type: string;
  readonly content: string;
}

/** Scripts are the compiled modules of `client/`, which run in the browser. */
export function pageAssets(): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>([
    ['/', { type: 'text/html; charset=utf-8', content: pageHtml }],
    ['/style.css', { type: 'text/css; charset=utf-8', content: pageStyle }],
  ]);
  const main = compiledModule(new URL('./client/main.js', import.meta.url));
  if (!existsSync(main)) throw new Error('the scripts of the page are not compiled; run npm run build');
  const folder = new URL('.', main);
  for (const name of readdirSync(fileURLToPath(folder)).filter((file) => file.endsWith('.js')))
    assets.set(`/client/${name}`, {
      type: 'text/javascript; charset=utf-8',
      content: readFileSync(new URL(name, folder), 'utf8'),
    });
  return assets;
}
