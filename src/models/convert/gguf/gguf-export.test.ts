import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ggufModels as models, withTokenizer } from '../../../../tests/support/gguf-models.js';
import { goldenFolder, maxAbsDifference } from '../../../../tests/support/golden.js';
import { casesOf } from '../../../../tests/support/long-suite.js';
import { referencePython, runReference } from '../../../../tests/support/reference.js';
import { requiresPython } from '../../../../tests/support/requires.js';
import { openModelCheckpoint } from '../../../checkpoint/index.js';
import { InputError } from '../../../errors/index.js';
import {
  copyOf,
  type GgufValue,
  readGgufFile,
  readView,
  type TensorView,
  writeGgufFile,
} from '../../../formats/index.js';
import { intTensor, noGrad } from '../../../tensor/index.js';
import { loadModel, loadModelArchitecture } from '../../load-model.js';
import { loadModelTokenizer, tokenizerSource } from '../../model-tokenizer.js';
import { saveModel } from '../../save-model.js';
import { convertModel } from '../convert-model.js';
import type { ConvertOptions } from '../convert-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function fresh(ending = ''): string {
  count += 1;
  return join(folder, `out-${count}${ending}`);
}

async function convert(from: string, to: string, options: Partial<ConvertOptions> = {}): Promise<string> {
  await convertModel({ from, to, ...options });
  return to;
}

function digests(path: string): Map<string, string> {
  const tensors = openModelCheckpoint(path).ranks[0] ?? new Map<string, TensorView>();
  return new Map([...tensors].map(([name, view]): [string, string] => [name, digest(view)]).sort());
}

function digest(view: TensorView): string {
  const hash = createHash('sha256');
  for (const piece of readView(view)) hash.update(piece);
  return `${view.dtype} [${view.shape}] ${hash.digest('hex')}`;
}

const ids = [5, 9, 300, 17, 42, 8, 250, 3];

/** The file as another program would have written it. */
function withoutOwnKeys(path: string, changes: ReadonlyMap<string, GgufValue> = new Map()): string {
  const { metadata, tensors } = readGgufFile(path);
  const keys = [...metadata].filter(([key]) => !key.startsWith('xinghe.'));
  const foreign = fresh('.gguf');
  writeGgufFile(
    foreign,
    new Map([...keys, ...changes]),
    [...tensors.values()].map((tensor) => copyOf(tensor)),
  );
  return foreign;
}

/** A folder with the parts that llama-gguf-split would make of a file. */
function inParts(path: string, count: number): string {
  const { metadata, tensors } = readGgufFile(path);
  const parts = fresh();
  mkdirSync(parts);
  for (let part = 0; part < count; part++) {
    const keys: [string, GgufValue][] = [
      ...(part === 0 ? metadata : []),
      ['split.no', { type: 'uint16', value: part }],
      ['split.count', { type: 'uint16', value: count }],
      ['split.tensors.count', { type: 'int32', value: tensors.size }],
    ];
    const held = [...tensors.values()].filter((_, index) => index % count === part);
    writeGgufFile(
      join(parts, `model-0000${part + 1}-of-0000${count}.gguf`),
      new Map(keys),
      held.map((tensor) => copyOf(tensor)),
    );
  }
  return parts;
}

describe.each(models)('%s', (name) => {
  const source = `${goldenFolder}${name}`;

  test('one file is a whole model: it loads without a config beside it and answers the same', async () => {
    const gguf = await convert(source, fresh('.gguf'));
    const tokens = intTensor(ids, [1, ids.length]);
    const logits = (path: string) => noGrad(() => loadModel(path).model.forward(tokens));
    expect(maxAbsDifference(logits(gguf), logits(source))).toBe(0);
  });

  test('back to published names, every byte is there', async () => {
    const gguf = await convert(source, fresh('.gguf'));
    const back = await convert(gguf, fresh('.safetensors'));
    // The 7B files leave the prefix away; written anew they have it.
    const expected = [...digests(`${source}/model.safetensors`)].map(([key, value]) => [
      name === 'telechat-7b' ? `transformer.${key}` : key,
      value,
    ]);
    expect(Object.fromEntries(digests(back))).toEqual(Object.fromEntries(expected));
  });

  test('a config that lies elsewhere or beside the file does as well', async () => {
    const gguf = await convert(source, fresh(), { format: 'gguf' });
    expect(existsSync(join(gguf, 'config.json'))).toBe(true);
    const back = await convert(gguf, fresh('.safetensors'), { configPath: `${source}/config.json` });
    expect(digests(back).size).toBe(digests(`${source}/model.safetensors`).size);
  });
});

// One of each kind of vocabulary.
const vocabularies = casesOf(models, (_, index) => index % 3 === 0);

describe.each(vocabularies)('the tokenizer of %s', (name) => {
  const texts = ['ab 7', 'ca\\nb 星', '<_user>a'];
  /** As far as they say: an id that is not there, or a piece that is none, does not change with the place of the file. */
  const encoded = (path: string) => {
    const tokenizer = loadModelTokenizer(loadModel(path).architecture, path);
    return texts.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
  };

  test('lies in the file: read there, copied out of it, and kept in another', async () => {
    const from = withTokenizer(name, fresh());
    writeFileSync(join(from, 'tokenizer_config.json'), '{"add_bos_token": true, "bos_token": "<s>"}');
    const alone = fresh();
    const gguf = await convert(from, join(alone, 'x.gguf'));
    expect(readdirSync(alone)).toEqual(['x.gguf']);
    expect(encoded(gguf)).toEqual(encoded(from));
    const again = await convert(gguf, join(alone, 'y.gguf'), { dtype: 'float16' });
    expect(encoded(again)).toEqual(encoded(from));
    writeFileSync(join(alone, 'tokenizer.json'), "another model's");
    const back = await convert(again, fresh());
    for (const file of ['tokenizer.model', 'tokenizer_config.json'])
      expect(readFileSync(join(back, file))).toEqual(readFileSync(join(from, file)));
    expect(readdirSync(back)).not.toContain('tokenizer.json');
    const saved = fresh();
    await saveModel(saved, loadModel(gguf), tokenizerSource(gguf));
    expect(encoded(saved)).toEqual(encoded(from));
  });

  test.each([
    ['xinghe.file.../evil.model', 'AAAA', /names no file of a tokenizer/],
    ['xinghe.file./tmp/x.model', 'AAAA', /names no file of a tokenizer/],
    ['xinghe.file.tokenizer.model', '*', /is no text in base64/],
    ['xinghe.file.tokenizer.model', 'AAAA', /\(tokenizer\.model\)/],
  ])('%s: %s is refused', async (key, value, message) => {
    const { architecture } = loadModel(`${goldenFolder}${name}`);
    const path = fresh('.gguf');
    writeGgufFile(path, new Map([[key, { type: 'string', value }]]), []);
    expect(() => loadModelTokenizer(architecture, path)).toThrow(message);
    expect(() => loadModelTokenizer(architecture, path)).toThrow(InputError);
  });
});

describe("what llama.cpp's own package reads", () => {
  const python = referencePython();

  /** Rows of queries and keys as llama.cpp's converters turn them, and the fields of the file. */
  const program = `
import sys, json, numpy
from gguf import GGUFReader
from safetensors.numpy import load_file
path, source, name, heads, kv_heads = sys.argv[1], load_file(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
reader = GGUFReader(path)
theirs = {t.name: numpy.array(t.data) for t in reader.tensors}
def turn(w, heads=heads):
    if name.startswith('qwen'): return w
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
expected = {}
def put(key, w): expected[key] = w
for key, w in source.items():
    key = key.removeprefix('transformer.').removeprefix('model.').replace('layers.', 'blk.').replace('h.', 'blk.', 1)
    block = '.'.join(key.split('.')[:2]) if key.startswith('blk.') else ''
    rest = key[len(block) + 1:] if block else key
    plain = {'embed_tokens.weight': 'token_embd.weight', 'word_embeddings.weight': 'token_embd.weight', 'wte.weight': 'token_embd.weight',
      'norm.weight': 'output_norm.weight', 'ln_f.weight': 'output_norm.weight', 'lm_head.weight': 'output.weight',
      'input_layernorm.weight': 'attn_norm.weight', 'ln_1.weight': 'attn_norm.weight', 'post_attention_layernorm.weight': 'ffn_norm.weight', 'ln_2.weight': 'ffn_norm.weight',
      'self_attn.v_proj.weight': 'attn_v.weight', 'self_attn.o_proj.weight': 'attn_output.weight', 'self_attention.dense.weight': 'attn_output.weight', 'self_attention.dense.bias': 'attn_output.bias',
      'mlp.gate_proj.weight': 'ffn_gate.weight', 'mlp.up_proj.weight': 'ffn_up.weight', 'mlp.down_proj.weight': 'ffn_down.weight', 'mlp.down_proj.bias': 'ffn_down.bias',
      'mlp.gate_proj.bias': 'ffn_gate.bias', 'mlp.up_proj.bias': 'ffn_up.bias', 'self_attn.v_proj.bias': 'attn_v.bias', 'self_attn.o_proj.bias': 'attn_output.bias',
      'self_attn.q_norm.weight': 'attn_q_norm.weight', 'self_attn.k_norm.weight': 'attn_k_norm.weight'}
    at = block + '.' if block else ''
    if rest in plain: put(at + plain[rest], w / 32 if name == 'telechat-52b' and rest == 'lm_head.weight' else w)
    elif rest in ('self_attn.q_proj.weight', 'self_attention.query.weight'): put(at + 'attn_q.weight', turn(w))
    elif rest == 'self_attn.q_proj.bias': put(at + 'attn_q.bias', turn(w))
    elif rest in ('self_attn.k_proj.weight', 'self_attn.k_proj.bias'): put(at + 'attn_k.' + rest.split('.')[-1], turn(w, kv_heads))
    elif rest == 'self_attention.key_value.weight':
        both = w.reshape(heads, 2, -1, w.shape[1])
        put(at + 'attn_k.weight', turn(both[:, 0].reshape(-1, w.shape[1])))
        put(at + 'attn_v.weight', both[:, 1].reshape(-1, w.shape[1]))
    elif rest == 'attn.c_attn.weight':
        q, k, v = numpy.split(w.T, 3)
        put(at + 'attn_q.weight', turn(q)); put(at + 'attn_k.weight', turn(k)); put(at + 'attn_v.weight', v)
    elif rest == 'attn.c_proj.weight': put(at + 'attn_output.weight', w.T)
    elif rest == 'mlp.c_fc.weight':
        gate, up = numpy.split(w.T, 2)
        put(at + 'ffn_gate.weight', gate); put(at + 'ffn_up.weight', up)
    elif rest == 'mlp.c_proj.weight': put(at + 'ffn_down.weight', w.T)
    else: raise KeyError(key)
wrong = [k for k in expected if k not in theirs or not numpy.array_equal(expected[k], theirs[k])]
fields = {k: f.contents() for k, f in reader.fields.items() if not k.startswith('GGUF.')}
print(json.dumps({'wrong': wrong, 'surplus': [k for k in theirs if k not in expected], 'count': len(theirs), 'fields': fields}))
`;

  interface Read {
    readonly wrong: string[];
    readonly surplus: string[];
    readonly count: number;
    readonly fields: Readonly<Record<string, unknown>>;
  }

  /** Lengths up to which angles are right, and how positions turn and stretch. */
  const ownKeys: Record<(typeof models)[number], Record<string, unknown>> = {
    xverse: { 'xverse.context_length': 8192, 'xverse.rope.freq_base': 10000 },
    'telechat-7b': { 'llama.context_length': 8192, 'llama.rope.freq_base': 10000 },
    'telechat-12b': { 'llama.context_length': 8192, 'llama.rope.freq_base': 10000 },
    'telechat-52b': { 'llama.context_length': 4096, 'llama.rope.freq_base': 10000 },
    llama: { 'llama.context_length': 256, 'llama.rope.freq_base': 500000 },
    // The window ends what llama.cpp can do.
    mistral: {
      'llama.context_length': 8,
      'llama.attention.key_length': 16,
      'llama.attention.value_length': 16,
    },
    qwen2: { 'qwen2.context_length': 8, 'qwen2.rope.freq_base': 1000000 },
    qwen3: {
      'qwen3.context_length': 256,
      'qwen3.attention.key_length': 16,
      'qwen3.rope.scaling.type': 'yarn',
      'qwen3.rope.scaling.factor': 4,
      'qwen3.rope.scaling.original_context_length': 64,
    },
  };

  test.each(models)('%s: names, rows and sizes', requiresPython(python), async (name) => {
    const from = withTokenizer(name, fresh());
    const gguf = await convert(from, fresh('.gguf'));
    const weights = `${goldenFolder}${name}/model.safetensors`;
    const { shape } = loadModelArchitecture(from);
    const kvHeads = String(shape.numKvHeads);
    const read = runReference<Read>(python ?? '', program, [gguf, weights, name, '4', kvHeads]);
    expect(read.wrong).toEqual([]);
    expect(read.surplus).toEqual(name === 'llama' ? ['rope_freqs.weight'] : []);
    expect(read.count).toBeGreaterThan(20);
    const architecture = ['xverse', 'qwen2', 'qwen3'].find((own) => own === name) ?? 'llama';
    const wanted: Record<string, unknown> = {
      'general.architecture': architecture,
      'general.file_type': 0,
      [`${architecture}.vocab_size`]: 320,
      ...ownKeys[name],
      [`${architecture}.embedding_length`]: shape.hiddenSize,
      [`${architecture}.block_count`]: shape.numLayers,
      [`${architecture}.attention.head_count`]: 4,
      [`${architecture}.attention.head_count_kv`]: shape.numKvHeads,
      [`${architecture}.rope.dimension_count`]: shape.headDim,
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.pre': 'default',
      'tokenizer.ggml.add_space_prefix': true,
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.ggml.eos_token_id': name === 'xverse' ? 3 : 2,
      'tokenizer.ggml.unknown_token_id': 0,
    };
    expect(read.fields).toMatchObject(wanted);
    const tokens = read.fields['tokenizer.ggml.tokens'] as string[];
    const types = read.fields['tokenizer.ggml.token_type'] as number[];
    expect([tokens.length, types.length]).toEqual([320, 320]);
    expect(tokens.slice(-1)).toEqual(['[PAD319]']);
    const typeOf = (token: string): number | undefined => types[tokens.indexOf(token)];
    // "7" is user-defined for SentencePiece; merging finds it as well.
    expect(['<unk>', '<s>', '<0x41>', '7', '<_user>', 'ab', '[PAD319]'].map(typeOf)).toEqual([
      2, 3, 6, 1, 4, 1, 5,
    ]);
  });
});

describe('blocks of 8 bit', () => {
  test('hold the matrices whose rows they divide, to half a step; all else stays', async () => {
    const from = `${goldenFolder}llama`;
    const to = await convert(from, fresh('.gguf'), { quantization: 'Q8_0' });
    const { tensors, quantized, metadata } = readGgufFile(to);
    expect(metadata.get('general.file_type')?.value).toBe(7);
    expect([...quantized.keys()]).toContain('token_embd.weight');
    // Rows of 56.
    expect(tensors.get('blk.0.ffn_down.weight')?.dtype).toBe('float32');
    expect([...tensors.values()].filter(({ shape }) => shape.length === 1).length).toBeGreaterThan(3);
    const [packed, whole] = [to, from].map((path) => new Map(loadModel(path).model.namedParameters()));
    for (const [name, parameter] of packed ?? []) {
      const original = whole?.get(name);
      if (original === undefined) throw new TypeError(name);
      const step = original.abs().max().item() / 127;
      expect(maxAbsDifference(parameter, original), name).toBeLessThanOrEqual(step * 0.51);
    }
    const again = await convert(to, fresh('.gguf'), { quantization: 'Q8_0' });
    expect([...readGgufFile(again).quantized.keys()]).toEqual([...quantized.keys()]);
  });

  test('belong into a GGUF for llama.cpp', async () => {
    const from = `${goldenFolder}llama`;
    for (const options of [{}, { format: 'gguf', names: 'published' } as const])
      await expect(convert(from, fresh(), { quantization: 'Q8_0', ...options })).rejects.toThrow(
        'Q8_0 packs weights as llama.cpp reads them',
      );
  });
});

describe('reading', () => {
  test('a folder made of one file has its config', async () => {
    const gguf = await convert(`${goldenFolder}xverse`, fresh('.gguf'));
    const back = await convert(gguf, fresh());
    const tokens = intTensor(ids, [1, ids.length]);
    const logits = (path: string) => noGrad(() => loadModel(path).model.forward(tokens));
    expect(maxAbsDifference(logits(back), logits(`${goldenFolder}xverse`))).toBe(0);
  });

  test("llama.cpp's names without a config stay; with one that lies elsewhere they become the published", async () => {
    const source = readGgufFile(await convert(`${goldenFolder}xverse`, fresh('.gguf')));
    const bare = fresh('.gguf');
    const tensors = [...source.tensors.values()].map((tensor) => copyOf(tensor));
    writeGgufFile(bare, new Map(), tensors);
    const kept = digests(await convert(bare, fresh('.safetensors')));
    expect([...kept.keys()]).toContain('blk.0.attn_q.weight');
    const configPath = `${goldenFolder}xverse/config.json`;
    const named = digests(await convert(bare, fresh('.safetensors'), { configPath }));
    expect(named).toEqual(digests(`${goldenFolder}xverse/model.safetensors`));
  });

  test.each(['xverse', 'llama', 'qwen2', 'qwen3'])(
    "%s: the config of a file that is not ours is what llama.cpp's keys mean",
    async (name) => {
      const foreign = withoutOwnKeys(await convert(`${goldenFolder}${name}`, fresh('.gguf')));
      const named = digests(await convert(foreign, fresh('.safetensors')));
      expect(named).toEqual(digests(`${goldenFolder}${name}/model.safetensors`));
      const tokens = intTensor(ids, [1, ids.length]);
      const logits = (path: string) => noGrad(() => loadModel(path).model.forward(tokens));
      expect(maxAbsDifference(logits(foreign), logits(`${goldenFolder}${name}`))).toBe(0);
    },
  );

  test('a folder is not begun for a tokenizer that cannot be read; the weights alone are', async () => {
    const from = withTokenizer('llama', fresh());
    const unknown = new Map([['tokenizer.ggml.model', { type: 'string', value: 't5' } as const]]);
    const foreign = withoutOwnKeys(await convert(from, fresh('.gguf')), unknown);
    const to = fresh();
    await expect(convert(foreign, to)).rejects.toThrow('tokenizer.ggml.model is "t5"');
    expect(existsSync(to)).toBe(false);
    expect(existsSync(await convert(foreign, fresh('.safetensors')))).toBe(true);
  });

  test('a model in parts is converted as one in a file is', async () => {
    const whole = await convert(withTokenizer('llama', fresh()), fresh('.gguf'));
    const parts = inParts(whole, 3);
    const part = join(parts, 'model-00002-of-00003.gguf');
    for (const from of [parts, part]) {
      const to = await convert(from, fresh());
      expect(digests(to)).toEqual(digests(`${goldenFolder}llama/model.safetensors`));
      expect(readdirSync(to)).toContain('tokenizer.model');
      const again = await convert(from, fresh('.gguf'));
      expect(readGgufFile(again).metadata.has('tokenizer.ggml.tokens')).toBe(true);
    }
    const { architecture } = loadModel(part);
    expect(loadModelTokenizer(architecture, part).encode('ab')).toEqual(
      loadModelTokenizer(architecture, whole).encode('ab'),
    );
  });

  test('packed blocks are written as the weights that they stand for, or refused by name', async () => {
    const path = fresh('.gguf');
    // A scale of 1 and codes from -16 up.
    const bytes = () => Uint8Array.from({ length: 34 }, (_, at) => [0, 0x3c][at] ?? (at - 18) & 0xff);
    writeGgufFile(path, new Map(), [{ name: 'a', quantization: 'Q8_0', shape: [1, 32], bytes }]);
    const plain = await convert(path, fresh('.safetensors'));
    const [tensor] = openModelCheckpoint(plain).ranks[0]?.values() ?? [];
    if (tensor === undefined) throw new TypeError('one tensor');
    const weights = Buffer.concat([...readView(tensor)]);
    expect(tensor.dtype).toBe('float32');
    expect(Array.from({ length: 32 }, (_, index) => weights.readFloatLE(4 * index))).toEqual(
      Array.from({ length: 32 }, (_, index) => index - 16),
    );
    writeGgufFile(path, new Map(), [{ name: 'a', quantization: 'MXFP4', shape: [1, 64], bytes }]);
    await expect(convert(path, fresh('.safetensors'))).rejects.toThrow(
      /"a" is packed as MXFP4, which is not/,
    );
  });

  test('a damaged config inside a file is told apart from the file', async () => {
    const path = fresh('.gguf');
    const metadata = new Map([
      ['xinghe.config', { type: 'string', value: '{"model_type": "xverse"' } as const],
    ]);
    const bytes = (): Uint8Array => new Uint8Array(4);
    writeGgufFile(path, metadata, [{ name: 'a', dtype: 'float32', shape: [1], bytes }]);
    expect(() => loadModel(path)).toThrow(/\(xinghe\.config\)/);
  });
});

describe('dtypes', () => {
  test('norms are float32 in the file, and bfloat16 again in what it becomes', async () => {
    const bf16 = await convert(`${goldenFolder}xverse`, fresh(), { dtype: 'bfloat16' });
    const gguf = await convert(bf16, fresh('.gguf'));
    const { tensors, metadata } = readGgufFile(gguf);
    expect(metadata.get('general.file_type')).toEqual({ type: 'uint32', value: 32 });
    expect(tensors.get('blk.0.attn_norm.weight')?.dtype).toBe('float32');
    expect(tensors.get('blk.0.attn_q.weight')?.dtype).toBe('bfloat16');
    expect(digests(await convert(gguf, fresh('.safetensors')))).toEqual(
      digests(join(bf16, 'model.safetensors')),
    );
    expect(loadModel(gguf).model.computeDType).toBe('bfloat16');
  });
});

describe('what is refused, and what it says', () => {
  test.each<[string, string, Partial<ConvertOptions>, RegExp]>([
    ['Spark', 'spark', {}, /LayerNorm.*--names published/],
    ['ranks', 'xverse', { format: 'gguf', layout: oneRank() }, /whole models, no ranks/],
    ['optimiser states', 'xverse', { states: 'keep' }, /no place for optimiser states/],
    [
      'merging on the way',
      'xverse',
      { merge: 'merge', adapter: `${goldenFolder}xverse/peft_adapter` },
      /merge the adapter first/,
    ],
    ['float64', 'xverse', { dtype: 'float64' }, /float64; give another --dtype/],
  ])('%s', async (_, name, options, message) => {
    const to = options.layout === undefined ? fresh('.gguf') : fresh();
    await expect(convert(`${goldenFolder}${name}`, to, options)).rejects.toThrow(message);
    expect(existsSync(to)).toBe(false);
  });

  test("llama.cpp's names outside a GGUF, tensors without a config, tensors that nobody knows", async () => {
    await expect(convert(`${goldenFolder}xverse`, fresh('.safetensors'), { names: 'gguf' })).rejects.toThrow(
      /belongs into a \.gguf/,
    );
    const bare = fresh('.safetensors');
    copyFileSync(`${goldenFolder}xverse/model.safetensors`, bare);
    await expect(convert(bare, fresh('.gguf'))).rejects.toThrow(/give it with --config/);
    const gguf = await convert(bare, fresh('.gguf'), { configPath: `${goldenFolder}xverse/config.json` });
    expect(readGgufFile(gguf).metadata.get('general.architecture')?.value).toBe('xverse');
  });
});

function oneRank() {
  return {
    dataParallel: 1,
    modelParallel: 1,
    pipelineStages: 1,
    optimizerShard: false,
    shardThreshold: 0,
  };
}
