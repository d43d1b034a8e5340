/** What is published: all that the program reads, nothing that it does not need, no package of our development. */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { packageJson, packedFiles, repository } from './support/packed-package.js';

let files: readonly string[];
beforeAll(() => {
  files = packedFiles();
});

test('the exports, the command, the native sources and the set-up are there; tests, maps and sources are not', () => {
  const { exports, bin } = packageJson();
  const targets = [
    ...JSON.stringify([exports, bin]).matchAll(/"\.?\/?((?:dist|bin)\/[^"]+|package\.json)"/g),
  ];
  expect(targets.length).toBeGreaterThan(3);
  for (const [, path = ''] of targets) expect(files).toContain(path);
  for (const path of [
    'native/dispatcher.cpp',
    'tools/setup.mjs',
    'tools/postinstall.mjs',
    'LICENSE',
    'README.md',
  ])
    expect(files).toContain(path);
  for (const pattern of [/\.test\./, /\.map$/, /^src\/.*\.ts$/, /^tests\//, /^build\//, /^shared\//])
    expect(files.filter((path) => pattern.test(path))).toEqual([]);
});

test('data that compiled modules read from the sources lies in the package', () => {
  const read = files
    .filter((path) => path.endsWith('.js') && path.startsWith('dist/'))
    .flatMap((path) =>
      [...readFileSync(join(repository, path), 'utf8').matchAll(/new URL\('(?:\.\.\/)+(src\/[^']+)'/g)].map(
        ([, target = '']) => target,
      ),
    );
  expect(read.length).toBeGreaterThan(1);
  for (const target of read)
    expect(
      files.some((path) => path.startsWith(target)),
      target,
    ).toBe(true);
});

test('what runs imports node, its own files and the dependencies alone', () => {
  const allowed = new Set([...builtinModules, ...Object.keys(packageJson().dependencies)]);
  const foreign: string[] = [];
  for (const path of files) {
    // Bundles of the pages have nothing to import.
    if (!/\.(?:js|mjs)$|^bin\//.test(path) || path.startsWith('dist/web/')) continue;
    if (path.includes('/page/client/')) continue;
    const text = readFileSync(join(repository, path), 'utf8');
    for (const [, , name = ''] of text.matchAll(
      /(^import\s|^export\s[^;]*?\sfrom\s|^import\s[^;]*?\sfrom\s|\bimport\()['"]([^.'"/][^'"]*)['"]/gms,
    )) {
      const bare = name.replace(/^node:/, '');
      const root = bare.startsWith('@') ? bare.split('/').slice(0, 2).join('/') : (bare.split('/')[0] ?? '');
      // The set-up of a checkout bundles pages.
      if (
        !allowed.has(root) &&
        !allowed.has(bare) &&
        !/^tools\/setup\/(?:report|export)-page\.vite\.mjs$/.test(path)
      )
        foreign.push(`${path}: ${name}`);
    }
  }
  expect(foreign).toEqual([]);
});

test('it may be published, and asks for the Node that it is tested on', () => {
  const { private: isPrivate, engines, version } = packageJson();
  expect(isPrivate).toBeUndefined();
  expect(engines).toEqual({ node: '>=20.19' });
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});
