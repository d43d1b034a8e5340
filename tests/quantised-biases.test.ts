/** Biases that AutoGPTQ gives to every quantised layer: zeros where the model has none. Others change what the model computes. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyOf, openSafetensorsModel, type TensorInput, writeSafetensors } from '../src/formats/index.js';
import { convertModel, loadModel, quantizeModel } from '../src/models/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { saveSmallLlama } from './support/small-llama.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-biases-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FORMS = ['gptq', 'awq', 'compressed-tensors'] as const;
const from = join(root, 'model');
beforeAll(async () => {
  await saveSmallLlama(from);
  for (const form of FORMS) await quantizeModel({ from, to: join(root, form), bits: 4, groupSize: 32, form });
});

let made = 0;
/** The folder with a bias of one more layer. */
function withBias(form: string, name: string, values: readonly number[]): string {
  const to = join(root, `biased-${made++}`);
  cpSync(join(root, form), to, { recursive: true });
  const file = join(to, readdirSync(to).find((each) => each.endsWith('.safetensors')) ?? '');
  const known = [...openSafetensorsModel(file).tensors.values()].map(
    (entry): TensorInput =>
      copyOf({
        ...entry,
        ranges: [{ path: join(root, form, 'model.safetensors'), start: entry.byteStart, end: entry.byteEnd }],
      }),
  );
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  const bias: TensorInput = { name, dtype: 'float32', shape: [values.length], bytes: () => bytes };
  writeSafetensors(file, [...known, bias], { format: 'pt' });
  return to;
}

const logitsOf = (path: string): Tensor =>
  noGrad(() =>
    scope(() => {
      const { model } = loadModel(path, { keepIntegers: true, dtype: 'float32' });
      return model.forward(intTensor([3, 5, 8, 13], [1, 4]));
    }),
  );

describe.each(FORMS)('%s', (form) => {
  const name = 'model.layers.1.self_attn.o_proj.bias';

  test('zeros are left out, negative ones too', () => {
    const values = Array.from({ length: 64 }, (_, place) => (place % 2 === 0 ? 0 : -0));
    expect(logitsOf(withBias(form, name, values)).equals(logitsOf(join(root, form)))).toBe(true);
  });

  test.each(['loaded', 'converted'])('one that is not zero is refused by name when it is %s', async (how) => {
    const values = Array.from({ length: 64 }, (_, place) => (place === 63 ? 0.25 : 0));
    const path = withBias(form, name, values);
    const use = async (): Promise<void> => {
      if (how === 'loaded') loadModel(path, { keepIntegers: true }).model.dispose();
      else await convertModel({ from: path, to: join(root, `converted-${made++}`) });
    };
    await expect(use()).rejects.toThrow(/model\.layers\.1\.self_attn\.o_proj\.bias/);
  });
});
