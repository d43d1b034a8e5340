import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ggufModels as models, withTokenizer } from '../../../../tests/support/gguf-models.js';
import { llamaCppGreedy, requiresLlamaCpp } from '../../../../tests/support/llama-cpp.js';
import { intTensor, noGrad } from '../../../tensor/index.js';
import { loadModel } from '../../load-model.js';
import { convertModel } from '../convert-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-llama-cpp-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('llama.cpp itself', requiresLlamaCpp, () => {
  test.each(models)('%s: the same greedy ids', { timeout: 300_000 }, async (name) => {
    const from = withTokenizer(name, join(folder, name));
    const gguf = join(folder, `${name}.gguf`);
    await convertModel({ from, to: gguf });
    const { model, architecture } = loadModel(from);
    // llama.cpp has no windows for these: it is right up to the end of the first.
    const longest = 'scheme' in architecture.gguf ? architecture.gguf.contextLength : 0;
    const prompts = [
      [5, 9, 300, 17, 42, 8],
      [7, 7, 7],
      [100],
      [200, 11, 250, 99, 31, 64, 128, 255, 3, 301],
    ].filter(({ length }) => length < longest);
    const expected = prompts.map((prompt) => {
      const row = [...prompt];
      while (row.length < Math.min(prompt.length + 24, longest))
        row.push(
          noGrad(() =>
            model
              .forward(intTensor(row, [1, row.length]))
              .select(1, row.length - 1)
              .argmax()
              .item(),
          ),
        );
      return row.slice(prompt.length);
    });
    const counts = expected.map(({ length }) => length);
    expect(llamaCppGreedy(gguf, prompts, counts)).toEqual(expected);
  });
});
