/** Damaged datasets: mutated indexes and row files give an InputError or rows, never anything else. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { prepareDataset } from '../prepare/prepare-dataset.js';
import { openDataset } from './open-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-dataset-fuzz-'));
const whole = join(folder, 'whole');
const damaged = join(folder, 'damaged');
const rowsFile = 'rows-00001-of-00001.safetensors';
const runs = process.env.XINGHE_TEST_LONG === '1' ? 5000 : 500;

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await prepareDataset({
    form: 'alpaca',
    recipe: 'spark-sft',
    tokenizer: `${goldenFolder}tokenizers/spark_like`,
    seqLength: 32,
    inputs: [`${goldenFolder}dataprep/alpaca_small.json`],
    output: whole,
    workers: 1,
  });
  mkdirSync(damaged);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Reads all of it. */
async function readAll(): Promise<void> {
  const dataset = openDataset(damaged);
  try {
    for (let row = 0; row < dataset.rowCount; row++) {
      dataset.row(row);
      dataset.origins(row);
      const { ids, documents = [] } = await dataset.read(row);
      expect(documents.reduce((sum, length) => sum + length, 0)).toBe(ids.length);
    }
  } finally {
    dataset.close();
  }
}

test.each(['index.json', rowsFile])('%s', async (name) => {
  const other = name === rowsFile ? 'index.json' : rowsFile;
  copyFileSync(join(whole, other), join(damaged, other));
  const bytes = readFileSync(join(whole, name));
  // Most bytes of a rows file are ids, any of which is valid: the header and the origins are hit more often.
  const place = fc.oneof(
    fc.nat(bytes.length - 1),
    fc.nat(1200),
    fc.integer({ min: bytes.length - 900, max: bytes.length - 1 }),
  );
  const change = fc.record({ at: place, value: fc.nat(255), cut: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      let mutated = Buffer.from(bytes);
      for (const { at, value, cut } of changes) {
        if (cut && value < 30) mutated = mutated.subarray(0, at);
        else if (at < mutated.length) mutated[at] = value;
      }
      writeFileSync(join(damaged, name), mutated);
      try {
        await readAll();
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.message.length).toBeLessThan(1000);
      }
    }),
    { numRuns: runs },
  );
});
