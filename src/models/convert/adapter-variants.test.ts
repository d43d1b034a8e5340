/** Adapters of rsLoRA and DoRA in conversions. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder, maxAbsDifference } from '../../../tests/support/golden.js';
import { loadAdapter, saveAdapter } from '../../checkpoint/index.js';
import { applyLora, initializeLora, type LoraOptions } from '../../lora/index.js';
import { intTensor, noGrad, RandomGenerator, type Tensor } from '../../tensor/index.js';
import { type LoadedModel, loadModel } from '../load-model.js';
import { convertModel } from './convert-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-adapter-variants-'));
afterAll(() => rmSync(folder, { recursive: true }));

const models = ['xverse', 'telechat-52b'] as const;

/** The folder of an adapter that changes something, and the logits with it. */
function saved(model: string, options: Partial<LoraOptions>): { adapter: string; logits: Tensor } {
  const loaded = loadModel(`${goldenFolder}${model}`);
  const lora = { rank: 4, alpha: 6, ...options };
  const adapters = applyLora(loaded.model, (path) => /layers\.\d+\./.test(path), lora);
  const generator = new RandomGenerator(5);
  for (const layer of adapters.values()) {
    initializeLora(layer, generator);
    noGrad(() => layer.loraB.add_(0.02));
  }
  generator.dispose();
  const adapter = mkdtempSync(join(folder, 'adapter-'));
  saveAdapter(loaded.model, loaded.architecture.names, adapter);
  return { adapter, logits: logitsOf(loaded) };
}

function logitsOf({ model }: LoadedModel): Tensor {
  return noGrad(() => model.forward(intTensor([5, 17, 3, 88, 41, 6], [1, 6])));
}

describe.each(models)('%s', (model) => {
  const source = `${goldenFolder}${model}`;

  test('an rsLoRA adapter is merged with its own scale', async () => {
    const { adapter, logits } = saved(model, { rankStabilized: true });
    const to = join(folder, `${model}-merged`);
    await convertModel({ from: source, to, merge: 'merge', adapter });
    expect(maxAbsDifference(logitsOf(loadModel(to)), logits)).toBeLessThan(1e-4);
    expect(maxAbsDifference(logitsOf(loadModel(source)), logits)).toBeGreaterThan(0.1);
  });

  test('an rsLoRA adapter that is converted stays one', async () => {
    const { adapter, logits } = saved(model, { rankStabilized: true });
    const to = join(folder, `${model}-bin`);
    await convertModel({ from: adapter, to, format: 'bin', configPath: join(source, 'config.json') });
    const config = JSON.parse(readFileSync(join(to, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({ r: 4, lora_alpha: 6, use_rslora: true });
    const loaded = loadModel(source);
    loadAdapter(loaded.model, loaded.architecture.names, to);
    expect(logitsOf(loaded).equals(logits)).toBe(true);
  });

  test('a DoRA adapter is merged, not taken out, and not converted alone', async () => {
    const { adapter, logits } = saved(model, { dora: true });
    const to = mkdtempSync(join(folder, 'dora-'));
    const merged = join(to, 'merged');
    const result = await convertModel({
      from: source,
      to: merged,
      merge: 'merge',
      adapter,
      checkLogits: true,
    });
    expect(result.logits?.largestDifference).toBeLessThan(1e-4);
    expect(maxAbsDifference(logitsOf(loadModel(merged)), logits)).toBeLessThan(1e-4);
    await expect(
      convertModel({ from: merged, to: join(to, 'unmerged'), merge: 'unmerge', adapter }),
    ).rejects.toThrow(/an adapter of DoRA cannot be taken out/);
    const message = /lora_magnitude_vector": an adapter of DoRA, which is not converted, but merged/;
    for (const target of ['folder', 'file.safetensors'])
      await expect(
        convertModel({ from: adapter, to: join(to, target), configPath: join(source, 'config.json') }),
      ).rejects.toThrow(message);
  });
});
