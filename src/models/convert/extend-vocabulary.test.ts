import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { goldenFolder, maxAbsDifference } from '../../../tests/support/golden.js';
import { initializeModule } from '../../nn/index.js';
import { intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../../tensor/index.js';
import { loadTokenizer, mergeVocabularies, newRowSources } from '../../tokenizers/index.js';
import { loadModel } from '../load-model.js';
import { parseArchitecture } from '../registry.js';
import { saveModel } from '../save-model.js';
import { convertModel } from './convert-model.js';
import { planConversion } from './plan-conversion.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-vocabulary-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base = `${goldenFolder}tokenizers/bbpe_llama3_regex/tokenizer.json`;
const merged = join(folder, 'merged.json');
writeFileSync(merged, mergeVocabularies(base, `${goldenFolder}tokenizers/bbpe_gpt2/tokenizer.json`).content);
const size = loadTokenizer(merged).vocabSize;
const oldSize = loadTokenizer(base).vocabSize;
const from = join(folder, 'base');
const vocabulary = { from: base, to: merged };

/** A new model whose embedding has a row for each id of the tokenizer, and some to spare. */
async function makeModel(vocabSize: number): Promise<Map<string, Tensor>> {
  const config = {
    model_type: 'xverse',
    vocab_size: vocabSize,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    num_attention_heads: 2,
  };
  const architecture = parseArchitecture(config, 'test');
  const model = architecture.createModel();
  scope(() => initializeModule(model, { rule: architecture.initRule, generator: new RandomGenerator(3) }));
  await saveModel(from, { model, architecture }, base);
  return new Map(model.namedParameters());
}

test('a tokenizer of another model is refused', async () => {
  const options = { from: `${goldenFolder}xverse`, to: join(folder, 'x'), vocabulary };
  await expect(convertModel(options)).rejects.toThrow(/has 320 rows, .* 1000 ids; it is not the tokenizer/);
  await expect(convertModel({ ...options, vocabulary: { from: base, to: base } })).rejects.toThrow(
    /has no pieces that/,
  );
});

test.each([0, 7])('the embedding grows by means of its rows; %i rows were to spare', async (spare) => {
  const rows = await makeModel(oldSize + spare);
  const to = join(folder, `grown-${spare}`);
  expect(planConversion({ from, to, vocabulary }).newRows?.vocabSize).toBe(size);
  await convertModel({ from, to, vocabulary });
  expect(JSON.parse(readFileSync(join(to, 'config.json'), 'utf8')).vocab_size).toBe(size);
  expect(loadTokenizer(join(to, 'tokenizer.json')).vocabSize).toBe(size);

  const { model } = loadModel(to);
  const grown = new Map(model.namedParameters());
  for (const name of ['embedTokens.weight', 'lmHead.weight']) {
    const [before, after] = [rows.get(name)!, grown.get(name)!];
    expect(after.size(0)).toBe(size);
    expect(maxAbsDifference(after.narrow(0, 0, oldSize), before.narrow(0, 0, oldSize))).toBe(0);
    for (const [index, ids] of newRowSources(base, merged).entries()) {
      if (ids.length === 0) continue;
      const mean = before.indexSelect(0, intTensor(ids)).mean([0]);
      expect(maxAbsDifference(after.select(0, oldSize + index), mean), `${name} ${index}`).toBeLessThan(1e-6);
    }
  }
  const ids = intTensor([5, 17, 300, 42], [1, 4]);
  const logits = (path: string) => noGrad(() => loadModel(path).model.forward(ids).narrow(2, 0, oldSize));
  expect(maxAbsDifference(logits(to), logits(from))).toBeLessThan(1e-5);
});
