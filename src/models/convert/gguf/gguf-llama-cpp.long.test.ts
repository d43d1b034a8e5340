import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ggufModels as models, withTokenizer } from '../../../../tests/support/gguf-models.js';
import { goldenFolder } from '../../../../tests/support/golden.js';
import { llamaCppGreedy, requiresLlamaCpp } from '../../../../tests/support/llama-cpp.js';
import { readConfigFile } from '../../../config/index.js';
import { initializeModule } from '../../../nn/index.js';
import { intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../../../tensor/index.js';
import type { CausalLm } from '../../causal-lm.js';
import { loadModel } from '../../load-model.js';
import { parseArchitecture } from '../../registry.js';
import { saveModel } from '../../save-model.js';
import { convertModel } from '../convert-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-llama-cpp-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The likeliest ids after the prompt, by whole forward passes. */
function greedyIds(model: CausalLm, prompt: readonly number[], count: number): number[] {
  const row = [...prompt];
  while (row.length < prompt.length + count) {
    const logits = (): Tensor => model.forward(intTensor(row, [1, row.length])).select(1, row.length - 1);
    row.push(noGrad(() => scope(() => logits().argmax().item())));
  }
  return row.slice(prompt.length);
}

/** Llama's golden model with other positions, beyond those of training too. */
const STRETCHED = {
  'telechat3, whose YaRN has another scale': {
    model_type: 'telechat3',
    rope_scaling: { factor: 4, original_max_position_embeddings: 64, rope_type: 'telechat3-yarn' },
  },
  'YaRN with other bounds and scale': {
    model_type: 'llama',
    rope_scaling: {
      ...{ factor: 4, original_max_position_embeddings: 64, rope_type: 'yarn' },
      ...{ beta_fast: 4, beta_slow: 2, attention_factor: 1.5 },
    },
  },
};

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
    const expected = prompts.map((prompt) => greedyIds(model, prompt, Math.min(24, longest - prompt.length)));
    const counts = expected.map(({ length }) => length);
    expect(llamaCppGreedy(gguf, prompts, counts)).toEqual(expected);
  });

  test.each(Object.entries(STRETCHED))('%s', { timeout: 300_000 }, async (name, keys) => {
    const from = withTokenizer('llama', join(folder, name));
    const config = readConfigFile(join(from, 'config.json'));
    const changed = { ...Object(config), head_dim: 8, max_position_embeddings: 256, ...keys };
    writeFileSync(join(from, 'config.json'), JSON.stringify(changed));
    const gguf = join(folder, 'stretched.gguf');
    await convertModel({ from, to: gguf, replace: true });
    const { model } = loadModel(from);
    const prompt = Array.from({ length: 120 }, (_, at) => 6 + ((at * 37) % 300));
    expect(llamaCppGreedy(gguf, [prompt], [24])).toEqual([greedyIds(model, prompt, 24)]);
  });

  test('experts in every layer', { timeout: 300_000 }, async () => {
    const from = join(folder, 'experts');
    const config = readConfigFile(join(goldenFolder, 'qwen3moe', 'config.json'));
    const everywhere = { mlp_only_layers: [], decoder_sparse_step: 1, norm_topk_prob: true };
    const architecture = parseArchitecture({ ...Object(config), ...everywhere }, 'config.json');
    const made = architecture.createModel();
    const generator = new RandomGenerator(5);
    initializeModule(made, { rule: architecture.initRule, generator, dtype: 'float32' });
    // Larger matrices than they begin with: then the experts and their weights tell in the choices.
    noGrad(() =>
      scope(() => {
        for (const [path, each] of made.namedParameters())
          if (each.shape.length > 1) made.assign(path, each.mul(4));
      }),
    );
    await saveModel(from, { model: made, architecture });
    copyFileSync(
      join(withTokenizer('llama', join(folder, 'tokenizer')), 'tokenizer.model'),
      join(from, 'tokenizer.model'),
    );
    const gguf = join(folder, 'experts.gguf');
    await convertModel({ from, to: gguf });
    const { model } = loadModel(from);
    const prompt = [200, 11, 250, 99, 31, 64, 128, 255, 3, 301];
    expect(llamaCppGreedy(gguf, [prompt], [24])).toEqual([greedyIds(model, prompt, 24)]);
  });
});
