/**
 * Adapters between us and PEFT itself: XVERSE's layers are Llama's, so that transformers' LlamaForCausalLM with a real
 * adapter of peft must answer what our model answers, whichever of the two wrote the files.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAdapter, saveAdapter } from '../src/checkpoint/index.js';
import { applyLora, initializeLora } from '../src/lora/index.js';
import { convertModel, type LoadedModel, loadModel } from '../src/models/index.js';
import { intTensor, noGrad, RandomGenerator, scope } from '../src/tensor/index.js';
import { goldenFolder } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';

const python = referencePython();
const xverse = `${goldenFolder}xverse`;
const folder = mkdtempSync(join(tmpdir(), 'xinghe-peft-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ids = Array.from({ length: 14 }, (_, index) => (index * 37) % 320);

/** Float32 in another order of sums; logits are about 10. */
const BOUND = 4e-5;

function logitsOf({ model }: LoadedModel): number[] {
  const logits = scope(() =>
    noGrad(() =>
      model
        .forward(intTensor(ids, [2, 7]))
        .to('float32')
        .contiguous(),
    ),
  );
  const bytes = logits.toBytes();
  logits.dispose();
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce(
    (largest, value, index) => Math.max(largest, Math.abs(value - (b[index] ?? Number.NaN))),
    0,
  );
}

/** Our model with an adapter that changes something, on some layers. */
function adapted(layers: RegExp): LoadedModel {
  const loaded = loadModel(xverse);
  const generator = new RandomGenerator(5);
  const adapters = applyLora(loaded.model, (path) => layers.test(path), { rank: 3, alpha: 12 });
  scope(() => {
    for (const layer of adapters.values()) {
      initializeLora(layer, generator, 'float32');
      layer.loraB.add_(0.02);
    }
  });
  generator.dispose();
  return loaded;
}

/** Logits of each adapter folder in argv, on Llama; and adapters that PEFT writes. */
const PROGRAM = `
import json, sys, warnings
warnings.filterwarnings('ignore')
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM
from peft import LoraConfig, PeftModel, get_peft_model
torch.set_num_threads(1)
xverse, ids, made, *adapters = sys.argv[1:]
ids = torch.tensor(json.loads(ids)).reshape(2, 7)
c = json.load(open(xverse + '/config.json'))
keep = ('hidden_size', 'intermediate_size', 'num_attention_heads', 'num_hidden_layers', 'rms_norm_eps', 'vocab_size',
        'max_position_embeddings', 'tie_word_embeddings', 'pad_token_id', 'bos_token_id', 'eos_token_id')
config = LlamaConfig(**{k: c[k] for k in keep}, attn_implementation='eager')
def base():
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict(load_file(xverse + '/model.safetensors'), strict=True)
    return model
def logits(model):
    with torch.no_grad():
        return model(ids).logits.float().flatten().tolist()
result = {'base': logits(base()), 'ours': {}, 'theirs': {}}
for adapter in adapters:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        model = PeftModel.from_pretrained(base(), adapter).eval()
        missing = [str(w.message) for w in caught if 'missing' in str(w.message)]
    result['ours'][adapter] = {'logits': logits(model), 'missing': missing}
for name, safe in (('safe', True), ('bin', False)):
    torch.manual_seed(3)
    lora = LoraConfig(r=5, lora_alpha=7, target_modules=['q_proj', 'gate_proj'], use_rslora=name == 'bin')
    model = get_peft_model(base(), lora).eval()
    for key, parameter in model.named_parameters():
        if 'lora_' in key:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(made + '/' + name, safe_serialization=safe)
    result['theirs'][name] = logits(model)
print(json.dumps(result))
`;

import { requiresPython } from './support/requires.js';

interface Answers {
  readonly base: number[];
  readonly ours: Record<string, { readonly logits: number[]; readonly missing: string[] }>;
  readonly theirs: Record<'safe' | 'bin', number[]>;
}

describe('PEFT', requiresPython(python), () => {
  const places = {
    saved: join(folder, 'saved'),
    some: join(folder, 'some'),
    fromMindpet: join(folder, 'from-mindpet'),
    fromTelechat: join(folder, 'from-telechat'),
    asBin: join(folder, 'as-bin'),
  };
  let expected: number[] = [];
  let answers: Answers;

  beforeAll(async () => {
    mkdirSync(places.saved);
    mkdirSync(places.some);
    const all = adapted(/layers\.\d+\./);
    expected = logitsOf(all);
    saveAdapter(all.model, all.architecture.names, places.saved, 'xverse');
    const some = adapted(/layers\.1\.attention/);
    saveAdapter(some.model, some.architecture.names, places.some);
    const file = join(places.saved, 'adapter_model.safetensors');
    const bare = { from: file, adapterNaming: 'mindpet', configPath: `${xverse}/config.json` } as const;
    const mindpet = join(folder, 'mindpet.ckpt');
    const telechat = join(folder, 'telechat.bin');
    await convertModel({ ...bare, to: mindpet });
    await convertModel({ ...bare, to: telechat, adapterNaming: 'telechat' });
    const peft = { adapterNaming: 'peft', loraAlpha: 12 } as const;
    await convertModel({ ...peft, from: mindpet, to: places.fromMindpet });
    await convertModel({ ...peft, from: telechat, to: places.fromTelechat });
    await convertModel({ ...peft, from: places.saved, to: places.asBin, format: 'bin' });
    if (python !== undefined)
      answers = runReference<Answers>(python, PROGRAM, [
        xverse,
        JSON.stringify(ids),
        folder,
        ...Object.values(places),
      ]);
  });

  test('the base model is the same on both sides', () => {
    expect(largestDifference(answers.base, logitsOf(loadModel(xverse)))).toBeLessThan(BOUND);
  });

  test.each(['saved', 'fromMindpet', 'fromTelechat', 'asBin'] as const)(
    'loads what we wrote (%s) and answers as we do',
    (name) => {
      const { logits, missing } = answers.ours[places[name]]!;
      expect(missing).toEqual([]);
      expect(largestDifference(logits, expected)).toBeLessThan(BOUND);
      expect(largestDifference(logits, answers.base)).toBeGreaterThan(0.1);
    },
  );

  test('an adapter of one layer changes that one alone', () => {
    const some = adapted(/layers\.1\.attention/);
    expect(largestDifference(answers.ours[places.some]!.logits, logitsOf(some))).toBeLessThan(BOUND);
  });

  test.each(['safe', 'bin'] as const)(
    'what it saves (%s) is loaded, and merged, and answers the same',
    async (name) => {
      const adapter = join(folder, name);
      const loaded = loadModel(xverse);
      loadAdapter(loaded.model, loaded.architecture.names, adapter);
      expect(largestDifference(logitsOf(loaded), answers.theirs[name])).toBeLessThan(BOUND);
      expect(largestDifference(answers.theirs[name], answers.base)).toBeGreaterThan(0.1);
      const to = join(folder, `merged-${name}`);
      await convertModel({ from: xverse, to, merge: 'merge', adapter });
      expect(largestDifference(logitsOf(loadModel(to)), answers.theirs[name])).toBeLessThan(BOUND);
    },
  );
});

test('the config beside a converted adapter', async () => {
  const config = (path: string) => JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8'));
  const to = join(folder, '52b');
  const from = `${goldenFolder}telechat-52b/lora_init.safetensors`;
  await convertModel({ from, to, adapterNaming: 'peft', loraAlpha: 16 });
  expect(config(to)).toMatchObject({ lora_alpha: 16, fan_in_fan_out: true, peft_type: 'LORA' });
  await expect(convertModel({ from, to: join(folder, 'no-alpha'), adapterNaming: 'peft' })).rejects.toThrow(
    /no config beside it tells lora_alpha.*--lora-alpha/,
  );
  const spark = join(folder, 'spark');
  await convertModel({
    from: `${goldenFolder}spark/lora_init.safetensors`,
    to: spark,
    adapterNaming: 'peft',
    configPath: `${goldenFolder}spark/model_config_lora.yaml`,
  });
  expect(config(spark)).toMatchObject({ lora_alpha: 128, r: 3, fan_in_fan_out: false });
});
