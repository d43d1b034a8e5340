/** Configs, published sizes, files with an expert too few, GGUF, and what is refused by name. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openModelCheckpoint, saveWeights } from '../src/checkpoint/index.js';
import { readView, type TensorView, writeSafetensors } from '../src/formats/index.js';
import { type Architecture, convertModel, loadModel, parseArchitecture } from '../src/models/index.js';
import { initializeModule } from '../src/nn/index.js';
import { intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../src/tensor/index.js';
import { adaptedBy } from '../src/training/plan/adapted-layers.js';
import { plannedModel } from '../src/training/plan/planned-model.js';
import { goldenFolder } from './support/golden.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';

type Config = Record<string, unknown>;

const golden = `${goldenFolder}qwen3moe`;
const config = JSON.parse(readFileSync(`${golden}/config.json`, 'utf8')) as Config;
const parse = (changes: Config = {}): Architecture =>
  parseArchitecture({ ...config, ...changes }, 'config.json');

const folder = mkdtempSync(join(tmpdir(), 'xinghe-qwen3-moe-'));
afterAll(() => rmSync(folder, { recursive: true }));

const released = {
  model_type: 'qwen3_moe',
  architectures: ['Qwen3MoeForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 151643,
  decoder_sparse_step: 1,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: 'silu',
  initializer_range: 0.02,
  max_position_embeddings: 40960,
  mlp_only_layers: [],
  norm_topk_prob: true,
  num_experts: 128,
  num_experts_per_tok: 8,
  num_key_value_heads: 4,
  output_router_logits: false,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000.0,
  router_aux_loss_coef: 0.001,
  sliding_window: null,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
};

test.each([
  {
    name: 'Qwen3-30B-A3B',
    sizes: {
      hidden_size: 2048,
      intermediate_size: 6144,
      max_window_layers: 48,
      moe_intermediate_size: 768,
      num_attention_heads: 32,
      num_hidden_layers: 48,
    },
    parameters: 30_532_122_624,
    active: 3.3,
  },
  {
    name: 'Qwen3-235B-A22B',
    sizes: {
      hidden_size: 4096,
      intermediate_size: 12288,
      max_window_layers: 94,
      moe_intermediate_size: 1536,
      num_attention_heads: 64,
      num_hidden_layers: 94,
    },
    parameters: 235_093_634_560,
    active: 22.2,
  },
])('$name: parameters as published, in all and of one token', ({ sizes, parameters, active }) => {
  const model = parseArchitecture({ ...released, ...sizes }, 'config.json').createModel();
  expect(model.parameterCount()).toBe(parameters);
  expect(plannedModel(model).activeElements / 1e9).toBeCloseTo(active, 0.5);
  expect(Math.abs(plannedModel(model).activeElements / 1e9 - active)).toBeLessThan(0.1);
});

test('absent keys have the values of the published class', () => {
  const sizes = { vocab_size: 320, hidden_size: 64, num_hidden_layers: 4, num_attention_heads: 8 };
  const { shape, createModel } = parseArchitecture({ model_type: 'qwen3_moe', ...sizes }, 'config.json');
  expect(shape).toMatchObject({
    intermediateSize: 6144,
    numKvHeads: 4,
    headDim: 8,
    contextLength: 32768,
    experts: { count: 128, perToken: 8, intermediateSize: 768 },
  });
  const model = createModel();
  expect(model.balanceLossFactor).toBeUndefined();
  expect(model.longestWindow).toBeUndefined();
  const alternating = parseArchitecture(
    {
      model_type: 'qwen3_moe',
      ...sizes,
      decoder_sparse_step: 2,
      num_experts: 4,
      num_experts_per_tok: 1,
      mlp_only_layers: [3],
    },
    'config.json',
  );
  expect(alternating.createModel().layers.map(({ linears }) => linears.mlpOut === undefined)).toEqual([
    false,
    true,
    false,
    false,
  ]);
});

test("the spelling of transformers' newer versions, and a window of every layer", () => {
  const { num_experts: count, ...rest } = config;
  expect(parseArchitecture({ ...rest, num_local_experts: count }, 'config.json').shape).toEqual(
    parse().shape,
  );
  const windowed = parse({ use_sliding_window: true, sliding_window: 8 }).createModel();
  expect(windowed.slidingWindows).toEqual([8, 8, 8]);
  expect(parse({ output_router_logits: true }).createModel().balanceLossFactor).toBe(0.02);
});

test.each<[string, Config, RegExp]>([
  [
    'more experts of a token than there are',
    { num_experts_per_tok: 7 },
    /num_experts_per_tok \(7\) must be at most num_experts \(6\)/,
  ],
  ['no experts', { num_experts: 0 }, /config\.json: num_experts/],
  ['no expert of a token', { num_experts_per_tok: 0 }, /config\.json: num_experts_per_tok/],
  ['two numbers of experts', { num_local_experts: 5 }, /num_local_experts \(5\) must be num_experts \(6\)/],
  [
    'a layer that is not there',
    { mlp_only_layers: [3] },
    /mlp_only_layers names layer 3; there are layers 0 to 2/,
  ],
  ['a shared expert', { shared_expert_intermediate_size: 8 }, /shared_expert_intermediate_size belongs to/],
  ['a misspelt key', { num_expert_per_tok: 2 }, /num_expert_per_tok: unknown key.*num_experts_per_tok/],
])('%s', (_, changes, message) => {
  expect(() => parse(changes)).toThrow(message);
});

function tensorsOf(path: string): ReadonlyMap<string, TensorView> {
  return openModelCheckpoint(path).ranks[0] ?? new Map();
}

function bytesOf(view: TensorView | undefined): Buffer {
  return view === undefined ? Buffer.alloc(0) : Buffer.concat([...readView(view)]);
}

/** The golden model with other tensors. */
function withTensors(
  name: string,
  change: (tensors: Map<string, { shape: readonly number[]; bytes: Uint8Array }>) => void,
) {
  const path = join(folder, name);
  mkdirSync(path);
  cpSync(`${golden}/config.json`, join(path, 'config.json'));
  const tensors = new Map(
    [...tensorsOf(golden)].map(([own, view]) => [own, { shape: view.shape, bytes: bytesOf(view) }]),
  );
  change(tensors);
  writeSafetensors(
    join(path, 'model.safetensors'),
    [...tensors].map(([own, { shape, bytes }]) => ({
      name: own,
      dtype: 'float32',
      shape,
      bytes: () => bytes,
    })),
  );
  return path;
}

describe('files that do not fit', () => {
  const EXPERTS = 'model.layers.2.mlp.experts';

  test('an expert in the middle, the last one, and all of a projection are named', () => {
    const hole = withTensors('hole', (tensors) => tensors.delete(`${EXPERTS}.3.up_proj.weight`));
    expect(() => loadModel(hole)).toThrow(/"model\.layers\.2\.mlp\.experts\.3\.up_proj\.weight" is missing/);
    const short = withTensors('short', (tensors) => tensors.delete(`${EXPERTS}.5.down_proj.weight`));
    expect(() => loadModel(short)).toThrow(/missing: model\.layers\.2\.mlp\.experts\.5\.down_proj\.weight/);
    const none = withTensors('none', (tensors) => {
      for (let expert = 0; expert < 6; expert++) tensors.delete(`${EXPERTS}.${expert}.down_proj.weight`);
    });
    expect(() => loadModel(none)).toThrow(
      /missing: model\.layers\.2\.mlp\.experts\.0\.down_proj\.weight, .* and 1 more/,
    );
  });

  test('an expert too many, experts in a dense layer, and one of another width', () => {
    const copyOf = (from: string, to: string) =>
      withTensors(to, (tensors) => {
        const tensor = tensors.get(from);
        if (tensor !== undefined) tensors.set(to, tensor);
      });
    const more = copyOf(`${EXPERTS}.0.up_proj.weight`, `${EXPERTS}.6.up_proj.weight`);
    expect(() => loadModel(more)).toThrow(
      /not part of this model: model\.layers\.2\.mlp\.experts\.6\.up_proj\.weight/,
    );
    const dense = copyOf(`${EXPERTS}.0.up_proj.weight`, 'model.layers.1.mlp.experts.0.up_proj.weight');
    expect(() => loadModel(dense)).toThrow(
      /not part of this model: model\.layers\.1\.mlp\.experts\.0\.up_proj\.weight/,
    );
    const wide = withTensors('wide', (tensors) => {
      const tensor = tensors.get(`${EXPERTS}.4.up_proj.weight`);
      if (tensor !== undefined) tensors.set(`${EXPERTS}.4.up_proj.weight`, { ...tensor, shape: [32, 20] });
    });
    expect(() => loadModel(wide)).toThrow(
      /experts\.4\.up_proj\.weight" is float32 \[32, 20\], and .*they must be alike/,
    );
  });

  test('a conversion of a part of the experts is refused', async () => {
    const short = withTensors('short-source', (tensors) => tensors.delete(`${EXPERTS}.5.down_proj.weight`));
    const target = join(folder, 'short-target');
    await expect(convertModel({ from: short, to: target })).rejects.toThrow(
      /experts\.4\.down_proj\.weight" has shape \[5, 32, 20\], the config asks for \[6, 32, 20\]/,
    );
  });

  test('a router of another width', () => {
    const path = withTensors('router', (tensors) => {
      const tensor = tensors.get('model.layers.0.mlp.gate.weight');
      if (tensor !== undefined)
        tensors.set('model.layers.0.mlp.gate.weight', {
          shape: [5, 32],
          bytes: tensor.bytes.slice(0, 5 * 32 * 4),
        });
    });
    expect(() => loadModel(path)).toThrow(
      /"model\.layers\.0\.mlp\.gate\.weight" has shape \[5, 32\], the config asks for \[6, 32\]/,
    );
  });

  test('NaN in one expert is found and named', async () => {
    const { reportNonFiniteWeights } = await import('../src/models/check-finite.js');
    const { NonFiniteError } = await import('../src/errors/index.js');
    const path = withTensors('nan', (tensors) => {
      const tensor = tensors.get(`${EXPERTS}.4.gate_proj.weight`);
      if (tensor !== undefined)
        new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, 2)[1] = Number.NaN;
    });
    const loaded = loadModel(path);
    expect(() =>
      reportNonFiniteWeights(loaded, path, () => {
        throw new NonFiniteError('x');
      }),
    ).toThrow(/model\.layers\.2\.mlp\.experts\.4\.gate_proj\.weight" holds NaN/);
    loaded.model.dispose();
  });
});

test('adapters: all-linear leaves experts and routers alone, and naming them is refused', () => {
  const { names, createModel } = parse();
  const model = createModel();
  const all = adaptedBy(model, names, ['.']);
  expect(all('layers.0.attention.qProj')).toBe(true);
  expect(all('layers.1.mlp.gateProj')).toBe(true);
  expect(adaptedBy(model, names, ['mlp.gate_proj'])('layers.1.mlp.gateProj')).toBe(true);
  for (const target of ['gate_proj', 'experts', 'down'])
    expect(() => adaptedBy(model, names, [target])).toThrow(
      /names experts \(model\.layers\.0\.mlp\.experts\./,
    );
});

describe('GGUF', () => {
  /** llama.cpp has experts in every layer. */
  const sparse = join(folder, 'sparse');

  function makeSparse(): string {
    mkdirSync(sparse, { recursive: true });
    const own = { ...config, mlp_only_layers: [] };
    writeFileSync(join(sparse, 'config.json'), JSON.stringify(own));
    const { names, createModel } = parseArchitecture(own, 'config.json');
    const model = createModel();
    scope(() =>
      initializeModule(model, {
        rule: { kind: 'normal', std: 0.2 },
        generator: new RandomGenerator(7),
        dtype: 'bfloat16',
      }),
    );
    saveWeights(model, names, sparse);
    model.dispose();
    return sparse;
  }

  const logits = (path: string, dtype: 'float32' | undefined = 'float32'): Tensor => {
    const { model } = loadModel(path, { dtype });
    return noGrad(() => model.forward(intTensor([5, 9, 300, 17, 40, 8], [1, 6])));
  };

  test('there and back: the same logits, config and bytes', async () => {
    const path = makeSparse();
    const gguf = join(folder, 'model.gguf');
    await convertModel({ from: path, to: gguf });
    const back = join(folder, 'back');
    await convertModel({ from: gguf, to: back });
    scope(() => {
      const wanted = logits(path);
      expect(logits(gguf).equals(wanted)).toBe(true);
      expect(logits(back).equals(wanted)).toBe(true);
    });
    const found = tensorsOf(back);
    expect([...found.keys()].toSorted()).toEqual([...tensorsOf(path).keys()].toSorted());
    for (const [name, tensor] of tensorsOf(path))
      expect(Buffer.compare(bytesOf(tensor), bytesOf(found.get(name))), name).toBe(0);
  });

  test('packed as Q8_0: the experts are, the routers are not', async () => {
    const path = makeSparse();
    const gguf = join(folder, 'packed.gguf');
    await convertModel({ from: path, to: gguf, quantization: 'Q8_0' });
    scope(() => expect(logits(gguf).sub(logits(path)).abs().max().item()).toBeLessThan(0.2));
  });

  test("gguf-py's names of qwen3moe are ours", requiresPython(referencePython()), async () => {
    const path = makeSparse();
    const gguf = join(folder, 'names.gguf');
    await convertModel({ from: path, to: gguf });
    const found = runReference<{
      known: string[];
      tensors: Record<string, [number[], string]>;
      keys: Record<string, number>;
    }>(
      referencePython() ?? '',
      `
import gguf, json, sys
reader = gguf.GGUFReader(sys.argv[1])
arch = gguf.MODEL_ARCH.QWEN3MOE
known = [gguf.TENSOR_NAMES[t].format(bid=b) + '.weight' for t in gguf.MODEL_TENSORS[arch] for b in range(3)]
keys = {k: int(reader.fields['qwen3moe.' + k].contents()) for k in ('expert_count', 'expert_used_count', 'expert_feed_forward_length')}
print(json.dumps({'known': sorted(set(known)), 'keys': keys,
  'tensors': {t.name: [[int(n) for n in t.shape], t.tensor_type.name] for t in reader.tensors}}))
`,
      [gguf],
    );
    expect(found.keys).toEqual({ expert_count: 6, expert_used_count: 3, expert_feed_forward_length: 20 });
    expect(Object.keys(found.tensors).toSorted()).toEqual(
      found.known.filter((name) => name !== 'rope_freqs.weight'),
    );
    // Innermost first, as ggml has it.
    expect(found.tensors['blk.2.ffn_gate_exps.weight']).toEqual([[32, 20, 6], 'BF16']);
    expect(found.tensors['blk.2.ffn_down_exps.weight']).toEqual([[20, 32, 6], 'BF16']);
    expect(found.tensors['blk.2.ffn_gate_inp.weight']).toEqual([[32, 6], 'F32']);
  });

  test.each<[string, Config, RegExp]>([
    ['a layer without experts', {}, /layer 1 has none \(mlp_only_layers/],
    ['weights that do not add up to 1', { mlp_only_layers: [], norm_topk_prob: false }, /norm_topk_prob/],
    ['biases', { mlp_only_layers: [], attention_bias: true }, /no biases/],
  ])('refused: %s', (_, changes, reason) => {
    const { gguf } = parse(changes);
    expect('unsupported' in gguf ? gguf.unsupported : '').toMatch(reason);
  });
});
