/** Every small recipe trains: two seconds each. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';
import { trainSmallRecipe } from './support/train-recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-recipes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(readdirSync('recipes/debug').filter((name) => name.endsWith('.yaml')))('debug/%s', (name) =>
  trainSmallRecipe(name, folder),
);
