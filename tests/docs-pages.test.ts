/** Pages that follow others: docs/zh the English ones, docs/api what the root exports. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository } from './support/packed-package.js';

// A tool without declarations.
const {
  differences,
  brokenLinks,
}: {
  differences: (english: string, chinese: string) => string[];
  brokenLinks: (folder: string, name: string) => string[];
} = await import(new URL('../tools/check-docs-zh.mjs', import.meta.url).href);

const docs = join(repository, 'docs');
const text = (path: string): string => readFileSync(join(docs, path), 'utf8');

const pages = readdirSync(join(docs, 'zh')).filter((name) => name.endsWith('.md'));

test.each(pages)('docs/zh/%s has the commands, headings, tables and names of the English page', (name) => {
  expect(existsSync(join(docs, name)), `docs/${name}`).toBe(true);
  expect(differences(text(name), text(`zh/${name}`))).toEqual([]);
});

test('what is left out or changed in a translation is noticed; translated comments are not', () => {
  const english = '# A\n\n`--b` and `c`\n\n```sh\nrun --b 1   # one\n```\n\n| x |\n| --- |\n| y |\n';
  expect(differences(english, english.replace('# one', '# 一'))).toEqual([]);
  expect(differences(english, english.replace('--b 1', '--b 2'))).toEqual([
    'code block 1 is another: run --b 1',
  ]);
  expect(differences(english, english.replace('`c`', 'c'))).toEqual(['`c` is missing']);
  expect(differences(english, english.replace('| y |\n', ''))).toHaveLength(1);
  expect(differences(english, english.replace('# A', '## A'))).toHaveLength(1);
  expect(differences(english, english.replace(/```[\s\S]*?```/, ''))).toEqual([
    '0 code blocks, in English 1',
  ]);
});

test('links that lead nowhere are noticed, to a file and within one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-docs-'));
  writeFileSync(join(folder, 'b.md'), '# 密钥与安全\n');
  writeFileSync(
    join(folder, 'a.md'),
    '# A `x`\n[1](#a-x) [2](b.md#密钥与安全) [3](http://x) [4](#b) [5](c.md) [6](b.md#密钥)\n',
  );
  expect(brokenLinks(folder, 'a.md')).toEqual(
    ['#b', 'c.md', 'b.md#密钥'].map((link) => `the link ${link} leads nowhere`),
  );
  rmSync(folder, { recursive: true, force: true });
});

test('every name of the root has a page under docs/api, and every page a name', () => {
  const source = readFileSync(join(repository, 'src', 'index.ts'), 'utf8');
  const names = [...source.matchAll(/^export (?:type )?\{([\s\S]*?)\}/gm)]
    .flatMap(([, list = '']) => list.split(','))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/^.* as /, ''),
    )
    .filter((name) => name !== '')
    .sort();
  const documented = ['classes', 'functions', 'interfaces', 'types']
    .flatMap((kind) => readdirSync(join(docs, 'api', kind)))
    .map((name) => name.replace(/\.md$/, ''))
    .sort();
  expect(documented).toEqual(names);
});

test('the checks run as programs', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(repository, 'tools', 'check-docs-zh.mjs')], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^check-docs-zh: \d+ pages, 0 breaches\n$/)]);
});
