/**
 * Adapters of everyday PEFT runs: ranks and alphas of single layers, whole modules, embeddings and output projections, biases,
 * rows of single tokens, DoRA. Loaded, merged and served, they answer what PEFT answers; what we write, PEFT reads.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AdapterSet, loadAdapter, saveAdapter } from '../src/checkpoint/index.js';
import { openSafetensorsModel, readView, viewOf } from '../src/formats/index.js';
import { applyLora, initializeLora } from '../src/lora/index.js';
import { convertModel, type LoadedModel, loadModel } from '../src/models/index.js';
import { intTensor, noGrad, RandomGenerator, scope } from '../src/tensor/index.js';
import { referencePython, runReference } from './support/reference.js';
import { requires, requiresPython } from './support/requires.js';
import { sharedCases } from './support/shared-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-everyday-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const fresh = (): string => join(folder, String(count++));

const cases = sharedCases('adapters') ?? '';
const python = referencePython();
const base = join(cases, 'base');

/** Float32 in another order of sums. */
const BOUND = 1e-5;

function ids(): number[] {
  const { input_ids: rows } = JSON.parse(readFileSync(join(cases, 'ids.json'), 'utf8')) as {
    input_ids: number[][];
  };
  return rows.flat();
}

function logitsOf({ model }: Pick<LoadedModel, 'model'>): Float32Array {
  const tokens = ids();
  return scope(() => {
    const bytes = noGrad(() => model.forward(intTensor(tokens, [1, tokens.length])))
      .to('float32')
      .toBytes();
    return new Float32Array(bytes.slice().buffer);
  });
}

function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce(
    (largest, value, index) => Math.max(largest, Math.abs(value - (b[index] ?? Number.NaN))),
    0,
  );
}

function expectedOf(file: string, name: string): Float32Array {
  const { tensors } = openSafetensorsModel(file);
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`${file} has no ${name}`);
  const { dtype, shape, file: path, byteStart: start, byteEnd: end } = tensor;
  const view = viewOf({ name, dtype, shape, ranges: [{ path, start, end }] });
  return new Float32Array(Uint8Array.from(Buffer.concat([...readView(view)])).buffer);
}

interface Expected {
  readonly adapter: string;
  readonly logits: Float32Array;
  readonly plain: Float32Array;
}

function loaded({ adapter }: Expected): Float32Array {
  const model = loadModel(base);
  loadAdapter(model.model, model.architecture.names, adapter);
  const logits = logitsOf(model);
  model.model.dispose();
  return logits;
}

async function merged({ adapter }: Expected): Promise<Float32Array> {
  const to = fresh();
  const { logits } = await convertModel({ from: base, to, merge: 'merge', adapter, checkLogits: true });
  expect(logits?.largestDifference).toBeLessThan(BOUND);
  const model = loadModel(to);
  const found = logitsOf(model);
  model.model.dispose();
  return found;
}

/** All rows by the adapter; then every second one, the others as the base answers them. */
function checkServed({ adapter, logits, plain }: Expected): void {
  const model = loadModel(base);
  const before = model.model.namedParameters();
  const set = new AdapterSet(model.model, model.architecture.names);
  set.load('one', adapter);
  const tokens = ids().length;
  set.useRows(Array<string>(tokens).fill('one'));
  expect(difference(logitsOf(model), logits)).toBeLessThan(BOUND);
  set.useNone();
  expect(difference(logitsOf(model), plain)).toBeLessThan(BOUND);
  // Rows of two texts in one batch: the first is the base's.
  set.useRows([...Array<undefined>(tokens).fill(undefined), ...Array<string>(tokens).fill('one')]);
  const both = scope(() => {
    const twice = intTensor([...ids(), ...ids()], [2, tokens]);
    const bytes = noGrad(() => model.model.forward(twice))
      .to('float32')
      .toBytes();
    return new Float32Array(bytes.slice().buffer);
  });
  expect(difference(both.subarray(0, plain.length), plain)).toBeLessThan(BOUND);
  expect(difference(both.subarray(plain.length), logits)).toBeLessThan(BOUND);
  set.unload('one');
  const after = new Map(model.model.namedParameters());
  expect([...after.keys()]).toEqual(before.map(([path]) => path));
  for (const [path, tensor] of before) expect(after.get(path) === tensor, path).toBe(true);
  expect(difference(logitsOf(model), plain)).toBeLessThan(BOUND);
  model.model.dispose();
}

describe(
  'adapters that PEFT wrote once',
  requires(cases !== '', '../shared/cases/adapters is not beside this folder'),
  () => {
    const names = ['mts', 'rankpat', 'lmhead'] as const;
    const expected = (name: string): Expected => ({
      adapter: join(cases, name),
      logits: expectedOf(join(cases, 'expected.safetensors'), `untied_${name}`),
      plain: expectedOf(join(cases, 'expected.safetensors'), 'untied_base'),
    });

    test.each(names)('%s: beside the layers', (name) => {
      const wanted = expected(name);
      expect(difference(wanted.logits, wanted.plain)).toBeGreaterThan(0.01);
      expect(difference(loaded(wanted), wanted.logits)).toBeLessThan(BOUND);
    });

    test.each(names)('%s: merged by a conversion', async (name) => {
      const wanted = expected(name);
      expect(difference(await merged(wanted), wanted.logits)).toBeLessThan(BOUND);
    });

    test.each(names)('%s: served', (name) => {
      checkServed(expected(name));
    });

    test('whole tensors cannot be taken out again, nor an adapter be converted without them', async () => {
      const adapter = join(cases, 'mts');
      await expect(convertModel({ from: base, to: fresh(), merge: 'unmerge', adapter })).rejects.toThrow(
        /replaces whole rows or tensors, which cannot be taken out/,
      );
      await expect(convertModel({ from: adapter, to: fresh() })).rejects.toThrow(
        /"base_model\.model\.lm_head\.weight"/,
      );
    });

    test('into 16-bit weights, whole tensors get their dtype', async () => {
      const narrow = fresh();
      await convertModel({ from: base, to: narrow, dtype: 'bfloat16' });
      const to = fresh();
      await convertModel({ from: narrow, to, merge: 'merge', adapter: join(cases, 'mts') });
      const dtypes = new Set([...openSafetensorsModel(to).tensors.values()].map(({ dtype }) => dtype));
      expect([...dtypes]).toEqual(['bfloat16']);
    });

    test('other configs and tensors are refused by name', () => {
      const changed = (change: object): string => {
        const to = fresh();
        mkdirSync(to);
        cpSync(join(cases, 'rankpat'), to, { recursive: true });
        const path = join(to, 'adapter_config.json');
        writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
        return to;
      };
      const load = (adapter: string): void => {
        const { model, architecture } = loadModel(base);
        loadAdapter(model, architecture.names, adapter);
      };
      expect(() => load(changed({ rank_pattern: {} }))).toThrow(
        /v_proj\.lora_[AB]\.weight" has shape .* rank 4/,
      );
      expect(() => load(changed({ rank_pattern: { '(': 2 } }))).toThrow(/rank_pattern has the key "\("/);
      expect(() => load(changed({ init_lora_weights: 'pissa_niter_4' }))).toThrow(/changes the base weights/);
      expect(() => load(changed({ alora_invocation_tokens: [1] }))).toThrow(/alora_invocation_tokens/);
      // As a regular expression from a dot on, as PEFT reads it.
      load(changed({ rank_pattern: { '.*v_proj': 2 }, alpha_pattern: { 'self_attn\\.v_proj': 32 } }));
    });
  },
);

const PROGRAM = `
import json, sys, warnings
warnings.filterwarnings('ignore')
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM
from peft import LoraConfig, PeftModel, get_peft_model
torch.set_num_threads(1)
base, ids, made, *ours = sys.argv[1:]
ids = torch.tensor([json.loads(ids)])
c = json.load(open(base + '/config.json'))
keep = ('hidden_size', 'intermediate_size', 'num_attention_heads', 'num_hidden_layers', 'rms_norm_eps', 'vocab_size',
        'max_position_embeddings', 'tie_word_embeddings', 'pad_token_id', 'bos_token_id', 'eos_token_id')
config = LlamaConfig(**{k: c[k] for k in keep}, attn_implementation='eager')
def model():
    m = LlamaForCausalLM(config).eval()
    m.load_state_dict(load_file(base + '/model.safetensors'), strict=True)
    return m
def logits(m):
    with torch.no_grad():
        return m(ids).logits.float().flatten().tolist()
cases = {
    'embedding': dict(target_modules=['q_proj', 'embed_tokens']),
    'bias': dict(target_modules=['q_proj', 'lm_head'], lora_bias=True),
    'tokens': dict(target_modules=['q_proj'], trainable_token_indices=[33, 3, 7]),
    'tokensByName': dict(target_modules=['q_proj'], trainable_token_indices={'embed_tokens': [60, 7]}),
    'tokensOfBoth': dict(target_modules=['q_proj'], trainable_token_indices={'embed_tokens': [3, 7], 'lm_head': [7, 41, 2]}),
    'norms': dict(target_modules=['q_proj'], modules_to_save=['norm', 'input_layernorm']),
    'dora': dict(target_modules=['q_proj', 'lm_head'], use_dora=True, rank_pattern={'layers.1.self_attn.q_proj': 2}),
    'doraEmbedding': dict(target_modules=['embed_tokens'], use_dora=True),
    'rslora': dict(target_modules=['q_proj', 'down_proj'], use_rslora=True, alpha_pattern={'^model.layers.2.mlp.down_proj': 3}),
    'all': dict(target_modules='all-linear', rank_pattern={'.*k_proj': 1}, modules_to_save=['lm_head']),
}
result = {'plain': logits(model()), 'theirs': {}, 'ours': {}}
for name, how in cases.items():
    torch.manual_seed(3)
    m = get_peft_model(model(), LoraConfig(task_type='CAUSAL_LM', **{'r': 4, 'lora_alpha': 8, **how})).eval()
    for key, p in m.named_parameters():
        if p.requires_grad:
            p.data.add_(torch.randn_like(p) * 0.05)
    m.save_pretrained(made + '/' + name)
    result['theirs'][name] = logits(m)
for path in ours:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        m = PeftModel.from_pretrained(model(), path).eval()
        result['ours'][path] = {'logits': logits(m), 'missing': [str(w.message) for w in caught if 'missing' in str(w.message)]}
print(json.dumps(result))
`;

interface Answers {
  readonly plain: number[];
  readonly theirs: Readonly<Record<string, number[]>>;
  readonly ours: Readonly<Record<string, { readonly logits: number[]; readonly missing: string[] }>>;
}

describe('adapters that PEFT writes now', {
  ...requiresPython(python),
  ...requires(cases !== '', '../shared/cases/adapters is not beside this folder'),
}, () => {
  let answers: Answers = { plain: [], theirs: {}, ours: {} };
  const written = new Map<string, Float32Array>();

  /** Layers of different rank and alpha, some with a bias. */
  function writeOurs(): void {
    const model = loadModel(base);
    const adapted = applyLora(
      model.model,
      (path) => /attention\.[qv]Proj|lmHead/.test(path),
      (path) => ({ rank: path.includes('vProj') ? 2 : 3, alpha: path === 'lmHead' ? 5 : 6, bias: true }),
    );
    const generator = new RandomGenerator(5);
    scope(() => {
      for (const layer of adapted.values()) {
        initializeLora(layer, generator);
        noGrad(() => {
          layer.loraB.add_(0.02);
          layer.loraBias?.add_(0.1);
        });
      }
    });
    generator.dispose();
    const path = fresh();
    mkdirSync(path);
    saveAdapter(model.model, model.architecture.names, path);
    written.set(path, logitsOf(model));
    model.model.dispose();
  }

  beforeAll(() => {
    writeOurs();
    answers = runReference(python ?? '', PROGRAM, [base, JSON.stringify(ids()), folder, ...written.keys()]);
  }, 120_000);

  const expected = (name: string): Expected => ({
    adapter: join(folder, name),
    logits: Float32Array.from(answers.theirs[name] ?? []),
    plain: Float32Array.from(answers.plain),
  });
  const mergeable = [
    'embedding',
    'tokens',
    'tokensByName',
    'norms',
    'dora',
    'doraEmbedding',
    'rslora',
    'all',
  ];
  const servable = [
    'embedding',
    'bias',
    'tokens',
    'tokensByName',
    'tokensOfBoth',
    'dora',
    'doraEmbedding',
    'rslora',
    'all',
  ];

  test.each([...mergeable, 'bias'])('%s: beside the layers', (name) => {
    const wanted = expected(name);
    expect(difference(wanted.logits, wanted.plain)).toBeGreaterThan(0.001);
    expect(difference(loaded(wanted), wanted.logits)).toBeLessThan(BOUND);
  });

  test.each(mergeable)('%s: merged by a conversion', async (name) => {
    const wanted = expected(name);
    expect(difference(await merged(wanted), wanted.logits)).toBeLessThan(BOUND);
  });

  test.each(servable)('%s: served', (name) => {
    checkServed(expected(name));
  });

  test('what cannot be merged or served is refused by name', async () => {
    await expect(merged(expected('bias'))).rejects.toThrow(/lora_B\.bias" is a bias for .*cannot be merged/);
    expect(() => checkServed(expected('norms'))).toThrow(
      /layernorm\.weight", which cannot stand beside other adapters/,
    );
    await expect(
      convertModel({ from: base, to: fresh(), merge: 'unmerge', adapter: join(folder, 'dora') }),
    ).rejects.toThrow(/DoRA cannot be taken out/);
  });

  test('PEFT reads ours: ranks, alphas and biases of single layers', () => {
    for (const [path, logits] of written) {
      const found = answers.ours[path];
      expect(found?.missing).toEqual([]);
      expect(difference(Float32Array.from(found?.logits ?? []), logits)).toBeLessThan(BOUND);
      const model = loadModel(base);
      loadAdapter(model.model, model.architecture.names, path);
      expect(difference(logitsOf(model), logits)).toBe(0);
    }
  });
});
