/** An adapter opened for conversion: whose alpha counts, and what is none of PEFT's. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { loadModelArchitecture } from '../../models/index.js';
import { openPeftAdapter, ownPathsOf } from './adapter-file.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-adapter-file-'));
afterAll(() => rmSync(folder, { recursive: true }));
const peftFolder = `${goldenFolder}xverse/peft_adapter`;
const findPath = ownPathsOf(loadModelArchitecture(`${goldenFolder}xverse`).tables);

function optionsOf(path: string, alpha?: number) {
  return [...(openPeftAdapter(path, findPath, alpha)?.layers.values() ?? [])].map(({ options }) => [
    options.rank,
    options.alpha,
  ]);
}

test('alpha is the one of the config, or the one that is given; the rank is that of the matrices', () => {
  const own = optionsOf(peftFolder);
  expect(new Set(own.map(String))).toEqual(new Set(['4,16']));
  expect(new Set(optionsOf(peftFolder, 20).map(String))).toEqual(new Set(['4,20']));
});

test('without a config it is an adapter where alpha is given', () => {
  const bare = join(folder, 'bare');
  cpSync(peftFolder, bare, { recursive: true });
  rmSync(join(bare, 'adapter_config.json'));
  expect(openPeftAdapter(bare, findPath)).toBeUndefined();
  expect(new Set(optionsOf(bare, 20).map(String))).toEqual(new Set(['4,20']));
});

test('a model is no adapter', () => {
  expect(openPeftAdapter(`${goldenFolder}xverse/model.safetensors`, findPath, 20)).toBeUndefined();
});
