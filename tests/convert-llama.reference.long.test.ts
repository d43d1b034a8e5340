/** Models as transformers' Llama, loaded by AutoModelForCausalLM and AutoTokenizer without code from elsewhere. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readJsonFile } from '../src/formats/index.js';
import { convertModel, loadModel, loadModelTokenizer } from '../src/models/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { goldenFolder } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';
import { sharedData } from './support/shared-data.js';

const python = referencePython();
const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-llama-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TELECHAT3_YARN = { factor: 4, original_max_position_embeddings: 64, rope_type: 'telechat3-yarn' };

/** A golden model in a folder of its own, with a tokenizer that fits no better than another. */
function source(
  name: string,
  golden: string,
  tokenizer: string,
  changes?: Readonly<Record<string, unknown>>,
): string {
  const made = join(folder, `${name}-source`);
  mkdirSync(made);
  const config = readJsonFile(`${goldenFolder}${golden}/config.json`);
  writeFileSync(join(made, 'config.json'), JSON.stringify({ ...Object(config), ...changes }));
  copyFileSync(`${goldenFolder}${golden}/model.safetensors`, join(made, 'model.safetensors'));
  const from = isAbsolute(tokenizer) ? tokenizer : `${goldenFolder}tokenizers/${tokenizer}`;
  for (const file of readdirSync(from).filter((file) => file.startsWith('tokenizer')))
    copyFileSync(join(from, file), join(made, file));
  return made;
}

// Where they are absent, one that needs nothing special stands in their place.
const telechat12b = sharedData('tokenizers/telechat-12b') ?? 'bbpe_gpt2';
const telechat52b = sharedData('tokenizers/telechat-52b') ?? 'bbpe_gpt2';

const cases = [
  { name: 'xverse', golden: 'xverse', tokenizer: 'bbpe_gpt2' },
  {
    name: 'xverse whose base grows',
    golden: 'xverse',
    tokenizer: 'bbpe_gpt2',
    changes: {
      max_position_embeddings: 12,
      rope_theta: 500_000,
      rope_scaling: { rope_type: 'dynamic', factor: 2 },
    },
  },
  { name: 'telechat-7b', golden: 'telechat-7b', tokenizer: telechat12b },
  { name: 'telechat-12b', golden: 'telechat-12b', tokenizer: telechat12b },
  { name: 'telechat-52b', golden: 'telechat-52b', tokenizer: telechat52b },
  {
    name: 'telechat3',
    golden: 'llama',
    tokenizer: 'bbpe_gpt2',
    changes: {
      model_type: 'telechat3',
      head_dim: 8,
      max_position_embeddings: 256,
      rope_scaling: TELECHAT3_YARN,
    },
  },
];

const IDS = [Array.from({ length: 20 }, (_, index) => 3 + ((index * 37) % 300))];
const TEXTS = [
  '你好，世界！ Hello  world 123',
  'a b  c\n\nd',
  '🌊 river — naïve',
  '天空<_user>为什么是蓝的？<_bot>',
];

const PROGRAM = `
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
job = json.loads(sys.argv[1])
results = []
for folder in job['folders']:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor(job['ids'])).logits.double().reshape(-1).tolist()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    results.append({'kind': type(model).__name__, 'logits': logits,
                    'ids': [tokenizer(text, add_special_tokens=False)['input_ids'] for text in job['texts']]})
print(json.dumps(results))
`;

interface Loaded {
  readonly kind: string;
  readonly logits: readonly number[];
  readonly ids: readonly (readonly number[])[];
}

describe('as Llama', requiresPython(python), () => {
  const sources: string[] = [];
  const differences: number[] = [];
  let theirs: readonly Loaded[] = [];

  beforeAll(async () => {
    if (python === undefined) return;
    const folders: string[] = [];
    for (const { name, golden, tokenizer, changes } of cases) {
      const from = source(name, golden, tokenizer, changes);
      const to = join(folder, name);
      const { logits } = await convertModel({ from, to, as: 'llama', checkLogits: true });
      sources.push(from);
      folders.push(to);
      differences.push(logits?.largestDifference ?? Number.NaN);
    }
    theirs = runReference<Loaded[]>(python, PROGRAM, [JSON.stringify({ folders, ids: IDS, texts: TEXTS })]);
  }, 180_000);

  test.for(cases.map(({ name }, index) => ({ name, index })))('$name', ({ index }) => {
    const from = sources[index] ?? '';
    const { model, architecture } = loadModel(from, { dtype: 'float32' });
    const ours = noGrad(() => scope(() => model.forward(intTensor(IDS.flat(), [1, 20])).toArray()));
    model.dispose();
    const loaded = theirs[index];
    expect(loaded?.kind).toBe('LlamaForCausalLM');
    expect(ours.length).toBe(loaded?.logits.length);
    const largest = Math.max(
      ...ours.map((value, place) => Math.abs(value - (loaded?.logits[place] ?? Number.NaN))),
    );
    expect(largest).toBeLessThanOrEqual(1e-4);
    expect(differences[index]).toBeLessThanOrEqual(1e-4);
    const tokenizer = loadModelTokenizer(
      { ...architecture, shape: { ...architecture.shape, vocabSize: 1e6 } },
      from,
    );
    expect(loaded?.ids).toEqual(TEXTS.map((text) => tokenizer.encode(text)));
  });

  test('nothing of the folder asks for other code', () => {
    const made = join(folder, 'telechat-12b');
    for (const name of readdirSync(made).filter((file) => file.endsWith('.json')))
      expect(readFileSync(join(made, name), 'utf8')).not.toContain('auto_map');
  });
});
