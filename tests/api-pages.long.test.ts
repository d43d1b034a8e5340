/** docs/api is what typedoc makes of the docstrings, and none is missing. Needs dist/ of these sources. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository } from './support/packed-package.js';
import { requires } from './support/requires.js';

const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const isThere = existsSync(cache) && readdirSync(cache).some((name) => /^api-pages-\w+$/.test(name));

test(
  'node tools/api-pages.mjs --check',
  requires(
    isThere || process.env.XINGHE_REFERENCE === 'install',
    'no typedoc; node tools/api-pages.mjs fetches it (or XINGHE_REFERENCE=install)',
  ),
  () => {
    const run = spawnSync(process.execPath, [join(repository, 'tools', 'api-pages.mjs'), '--check'], {
      encoding: 'utf8',
    });
    expect({ status: run.status, said: run.stderr }).toEqual({ status: 0, said: '' });
  },
);
