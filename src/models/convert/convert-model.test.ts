import { createHash } from 'node:crypto';
import {
  cpSync,
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
import fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import {
  goldenFolder,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from '../../../tests/support/golden.js';
import { isLongSuite } from '../../../tests/support/long-suite.js';
import {
  type ContainerFormat,
  DEFAULT_SHARD_THRESHOLD,
  openModelCheckpoint,
  type ParallelLayout,
} from '../../checkpoint/index.js';
import { readView, type TensorView, writeSafetensors } from '../../formats/index.js';
import { intTensor, noGrad } from '../../tensor/index.js';
import { loadModel } from '../load-model.js';
import { convertModel } from './convert-model.js';
import type { ConvertOptions } from './convert-options.js';
import { planConversion } from './plan-conversion.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** A place that is not there yet. */
function fresh(ending = ''): string {
  count += 1;
  return join(folder, `out-${count}${ending}`);
}

async function convert(from: string, to: string, options: Partial<ConvertOptions> = {}): Promise<string> {
  await convertModel({ from, to, ...options });
  return to;
}

/** In the golden training state: neither weights nor known counters. */
const strangers = ['a_bool', 'an_int64', 'a_uint8'];

/** dtype, shape and SHA-256 of every tensor of a checkpoint (of its only rank, or of one). */
function digests(path: string, rank = 0): Map<string, string> {
  const tensors = openModelCheckpoint(path).ranks[rank] ?? new Map<string, TensorView>();
  return new Map([...tensors].map(([name, view]): [string, string] => [name, digest(view)]).sort());
}

function digest(view: TensorView): string {
  const hash = createHash('sha256');
  for (const piece of readView(view)) hash.update(piece);
  return `${view.dtype} [${view.shape}] ${hash.digest('hex')}`;
}

const containers: readonly ContainerFormat[] = ['safetensors', 'bin', 'ckpt', 'gguf'];
const spark = `${goldenFolder}spark`;
const sparkWhole = `${spark}/model.safetensors`;

describe('containers', () => {
  test.each(containers.flatMap((a) => containers.map((b) => [a, b] as const)))(
    'from %s to %s and back, every tensor has its bytes',
    async (a, b) => {
      // In published names a GGUF is a container like the others; else it would be llama.cpp's layout.
      const first = await convert(sparkWhole, fresh(`.${a}`), { names: 'published' });
      const second = await convert(first, fresh(`.${b}`), { names: 'published' });
      expect(digests(second)).toEqual(digests(sparkWhole));
    },
  );

  test.each([
    ['telechat-7b/pytorch_model.bin', 'telechat-7b/model.safetensors'],
    ['telechat-7b/pytorch_model.legacy.bin', 'telechat-7b/model.safetensors'],
    ['telechat-12b/pytorch_model.bin.index.json', 'telechat-12b/model.safetensors'],
    ['xverse/bf16/pytorch_model.bin', 'xverse/bf16/model.safetensors'],
    ['xverse/fp16/pytorch_model.bin', 'xverse/fp16/model.safetensors'],
    ['xverse/sharded', 'xverse/model.safetensors'],
    ['spark/spark_fp32.ckpt', 'spark/model.safetensors'],
    ['spark/spark_sliced.ckpt', 'spark/model.safetensors'],
  ])('%s becomes its twin', async (from, twin) => {
    const to = await convert(`${goldenFolder}${from}`, fresh('.safetensors'));
    expect(digests(to)).toEqual(digests(`${goldenFolder}${twin}`));
  });

  test('shards with an index, and back to one file', async () => {
    const sharded = await convert(`${goldenFolder}telechat-52b`, fresh(), { shards: 3, format: 'bin' });
    expect(readdirSync(sharded)).toEqual([
      'config.json',
      'pytorch_model-00001-of-00003.bin',
      'pytorch_model-00002-of-00003.bin',
      'pytorch_model-00003-of-00003.bin',
      'pytorch_model.bin.index.json',
    ]);
    const whole = await convert(sharded, fresh());
    expect(digests(whole)).toEqual(digests(`${goldenFolder}telechat-52b/model.safetensors`));
    const small = await convert(sharded, fresh(), { maxShardBytes: 200_000 });
    expect(readdirSync(small).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(3);
    expect(digests(small)).toEqual(digests(whole));
  });
});

describe('spellings', () => {
  test("Megatron's Spark becomes MindSpore's, and back", async () => {
    const mindspore = await convert(`${spark}/megatron.pt`, fresh('.ckpt'), { names: 'mindspore' });
    expect(digests(mindspore)).toEqual(digests(sparkWhole));
    const megatron = await convert(mindspore, fresh('.pt'), { names: 'megatron' });
    const published = digests(`${spark}/megatron.pt`);
    for (const name of published.keys()) if (name.endsWith('_extra_state')) published.delete(name);
    expect(digests(megatron)).toEqual(published);
  });

  test.each(goldenModels)('%s: to our own names and back', async (name) => {
    const own = await convert(`${goldenFolder}${name}/model.safetensors`, fresh('.ckpt'), { names: 'own' });
    expect([...digests(own).keys()]).toContain('layers.0.inputNorm.weight');
    const published = await convert(own, fresh('.safetensors'), { names: 'published' });
    const source = digests(`${goldenFolder}${name}/model.safetensors`);
    // The 7B files leave the prefix away; written anew they have it.
    const expected = new Map(
      [...source].map(([key, value]) => [
        name === 'telechat-7b' && !key.startsWith('lm_head') ? `transformer.${key}` : key,
        value,
      ]),
    );
    expect(digests(published)).toEqual(new Map([...expected].sort()));
  });

  test("TeleChat's names in MindFormers", async () => {
    const path = `${goldenFolder}telechat-12b`;
    const mindspore = await convert(`${path}/model.safetensors`, fresh('.ckpt'), { names: 'mindspore' });
    expect([...digests(mindspore).keys()]).toContain('model.layers.1.attention.wk_v.weight');
    const back = await convert(mindspore, fresh('.safetensors'), { names: 'published' });
    expect(digests(back)).toEqual(digests(`${path}/model.safetensors`));
    await expect(
      convert(`${goldenFolder}xverse`, fresh(), {
        names: 'megatron',
        configPath: `${goldenFolder}xverse/config.json`,
      }),
    ).rejects.toThrow(/no megatron spelling.*published, own/);
  });

  test('a model in any spelling and container computes the same', async () => {
    const ids = intTensor([5, 9, 300, 17, 42, 8], [1, 6]);
    const logits = (path: string) =>
      noGrad(() => loadModel(path, { configPath: `${spark}/model_config.yaml` }).model.forward(ids));
    const expected = logits(sparkWhole);
    const megatron = `${spark}/megatron.pt`;
    for (const path of [megatron, `${spark}/spark_sliced.ckpt`, `${spark}/ckpt_mp2`])
      expect(maxAbsDifference(logits(path), expected), path).toBe(0);
    const gguf = await convert(sparkWhole, fresh('.gguf'), { names: 'published' });
    expect(maxAbsDifference(logits(gguf), expected)).toBe(0);
  });
});

describe('dtypes', () => {
  test.each(['bfloat16', 'float16'] as const)("Spark in %s is the golden file's bytes", async (dtype) => {
    const to = await convert(sparkWhole, fresh('.ckpt'), { dtype });
    expect(digests(to)).toEqual(digests(`${spark}/spark_${dtype === 'bfloat16' ? 'bf16' : 'fp16'}.ckpt`));
  });

  test.each([
    ['bfloat16', 'bf16'],
    ['float16', 'fp16'],
  ] as const)("XVERSE in %s is the golden file's bytes", async (dtype, name) => {
    const to = await convert(`${goldenFolder}xverse`, fresh(), { dtype });
    expect(digests(to)).toEqual(digests(`${goldenFolder}xverse/${name}`));
  });

  test('what stays float32 can be cast on request', async () => {
    const to = await convert(sparkWhole, fresh('.ckpt'), {
      dtype: 'bfloat16',
      castEmbedding: true,
      castNorm: true,
    });
    expect(new Set([...digests(to).values()].map((text) => text.split(' ')[0]))).toEqual(
      new Set(['bfloat16']),
    );
  });
});

describe('ranks', () => {
  const layout = (text: Partial<ParallelLayout>): ParallelLayout => ({
    dataParallel: 1,
    modelParallel: 1,
    pipelineStages: 1,
    optimizerShard: false,
    shardThreshold: DEFAULT_SHARD_THRESHOLD,
    ...text,
  });

  test("two model-parallel ranks are the golden's, and joined the whole", async () => {
    const to = await convert(sparkWhole, fresh(), { layout: layout({ modelParallel: 2 }) });
    expect(digests(to, 0)).toEqual(digests(`${spark}/ckpt_mp2`, 0));
    expect(digests(to, 1)).toEqual(digests(`${spark}/ckpt_mp2`, 1));
    const whole = await convert(`${spark}/ckpt_mp2`, fresh('.safetensors'));
    expect(digests(whole)).toEqual(digests(sparkWhole));
  });

  /** A whole training state of the golden model: weights and two moments that differ from them. */
  async function trainingState(name: string): Promise<string> {
    const plain = await convert(`${goldenFolder}${name}`, fresh(), { format: 'ckpt' });
    const file = join(plain, 'model.ckpt');
    const { ranks } = openModelCheckpoint(file);
    const { writeCkptFile } = await import('../../formats/index.js');
    const bytesOf = (view: TensorView) => Buffer.concat([...readView(view)]);
    const tensors = [...(ranks[0] ?? [])].flatMap(([key, view]) =>
      ['', 'adam_m.', 'adam_v.'].map((prefix, index) => ({
        name: prefix + key,
        dtype: view.dtype,
        shape: view.shape,
        bytes: () => bytesOf(view).map((byte) => (byte + index) & 0xff),
      })),
    );
    tensors.push({ name: 'global_step', dtype: 'int32', shape: [1], bytes: () => Buffer.from([7, 0, 0, 0]) });
    const state = fresh();
    mkdirSync(state);
    cpSync(plain, state, { recursive: true });
    writeCkptFile(join(state, 'model.ckpt'), tensors);
    return state;
  }

  test.each(goldenModels)(
    '%s: any layout to any other and back, optimiser states too, every byte is there',
    async (name) => {
      const state = await trainingState(name);
      const whole = digests(join(state, 'model.ckpt'));
      const layouts = fc.record({
        dataParallel: fc.constantFrom(1, 2),
        modelParallel: fc.constantFrom(1, 2),
        pipelineStages: fc.constantFrom(1, 2),
        optimizerShard: fc.boolean(),
        shardThreshold: fc.constantFrom(0, 8192, DEFAULT_SHARD_THRESHOLD),
      });
      await fc.assert(
        fc.asyncProperty(layouts, layouts, async (a, b) => {
          const first = await convert(state, fresh(), { layout: a });
          const second = await convert(first, fresh(), { layout: b });
          const back = await convert(second, fresh(), { format: 'ckpt' });
          expect(digests(join(back, 'model.ckpt'))).toEqual(whole);
          for (const path of [first, second, back]) rmSync(path, { recursive: true });
        }),
        { numRuns: isLongSuite ? 6 : 2 },
      );
    },
  );

  test.each<Partial<ParallelLayout>>([
    { dataParallel: 2, modelParallel: 2, optimizerShard: true },
    { modelParallel: 2, pipelineStages: 2 },
  ])('the strategy file alone tells how ranks are joined, optimiser states too: %o', async (given) => {
    const state = await trainingState('spark');
    const ranks = await convert(state, fresh(), { layout: layout({ shardThreshold: 8192, ...given }) });
    rmSync(join(ranks, 'layout.json'));
    const back = await convert(ranks, fresh(), { format: 'ckpt' });
    expect(digests(join(back, 'model.ckpt'))).toEqual(digests(join(state, 'model.ckpt')));
  });

  test('strategy files of a training: one for each rank, in a folder beside the ranks', async () => {
    const out = fresh();
    const given = layout({ dataParallel: 2, modelParallel: 2, optimizerShard: true, shardThreshold: 4096 });
    const ranks = await convert(sparkWhole, join(out, 'checkpoint'), { layout: given });
    const strategy = join(ranks, 'src_strategy.ckpt');
    mkdirSync(join(out, 'strategy'));
    for (const rank of [0, 1, 2, 3])
      cpSync(strategy, join(out, 'strategy', `ckpt_strategy_rank_${rank}.ckpt`));
    for (const path of [strategy, join(ranks, 'layout.json')]) rmSync(path);
    expect(digests(await convert(ranks, fresh('.ckpt')))).toEqual(digests(sparkWhole));
    const files = { sourceStrategy: join(out, 'strategy') };
    const away = fresh();
    cpSync(ranks, away, { recursive: true });
    expect(digests(await convert(away, fresh('.ckpt'), files))).toEqual(digests(sparkWhole));
    rmSync(join(away, 'rank_3'), { recursive: true });
    await expect(convert(away, fresh(), files)).rejects.toThrow(
      /holds 3 ranks, and .* tells of 1 stage of 4 devices, which is 4/,
    );
    cpSync(join(away, 'rank_0'), join(away, 'rank_3'), { recursive: true });
    await expect(convert(away, fresh(), files)).rejects.toThrow(/the copies of .* differ between ranks/);
    const other = await convert(sparkWhole, fresh(), { layout: layout({ dataParallel: 4 }) });
    cpSync(join(other, 'src_strategy.ckpt'), join(out, 'strategy', 'ckpt_strategy_rank_4.ckpt'));
    await expect(convert(away, fresh(), files)).rejects.toThrow(
      /ckpt_strategy_rank_0.ckpt and ckpt_strategy_rank_4.ckpt are both of stage 0 and differ/,
    );
  });

  test('a fused matrix, cut block by block, has no words in a strategy file: none is written', async () => {
    const to = await convert(`${goldenFolder}telechat-52b`, fresh(), {
      layout: layout({ modelParallel: 2 }),
    });
    expect(readdirSync(to)).not.toContain('src_strategy.ckpt');
    expect(readdirSync(to)).toContain('layout.json');
  });

  test('what a rank holds, by hand: stages, parts, shared rows', async () => {
    const to = await convert(sparkWhole, fresh(), {
      layout: layout({
        dataParallel: 2,
        modelParallel: 2,
        pipelineStages: 2,
        optimizerShard: true,
        shardThreshold: 4096,
      }),
    });
    expect(readdirSync(to).filter((name) => !name.endsWith('.yaml'))).toEqual(
      [...Array.from({ length: 8 }, (_, rank) => `rank_${rank}`), 'layout.json', 'src_strategy.ckpt'].sort(),
    );
    const shapes = (rank: number) =>
      new Map([...(openModelCheckpoint(to).ranks[rank] ?? [])].map(([name, { shape }]) => [name, shape]));
    const embedding = 'transformer.embedding.word_embeddings.embedding_table';
    // [320, 64] over two parts and two groups; the tied output projection needs it in the last stage as well.
    for (const rank of [0, 3, 4, 7]) expect(shapes(rank).get(embedding)).toEqual([80, 64]);
    const layer = 'transformer.transformer.layers.';
    // Three layers: two in the first stage.
    expect([...shapes(0).keys()].some((name) => name.startsWith(`${layer}1.`))).toBe(true);
    expect([...shapes(0).keys()].some((name) => name.startsWith(`${layer}2.`))).toBe(false);
    expect(
      [...shapes(4).keys()].filter((name) => name.startsWith(layer)).every((name) => name.includes('.2.')),
    ).toBe(true);
    expect(shapes(5).get(`${layer}2.mlp.fc2.weight`)).toEqual([32, 48]);
    // Below the threshold: not shared.
    expect(shapes(5).get(`${layer}2.mlp.fc0.bias`)).toEqual([48]);
    expect(shapes(0).has('transformer.transformer.layernorm.gamma')).toBe(false);
  });

  test('wrong layouts are refused', async () => {
    await expect(convert(sparkWhole, fresh(), { layout: layout({ modelParallel: 7 }) })).rejects.toThrow(
      /7 ranks cannot share its dimension 0 evenly/,
    );
    await expect(convert(sparkWhole, fresh(), { layout: layout({ pipelineStages: 9 }) })).rejects.toThrow(
      /9 pipeline stages for 3 layers/,
    );
    await expect(
      convert(`${spark}/ckpt_mp2`, fresh(), { sourceLayout: layout({ modelParallel: 4 }) }),
    ).rejects.toThrow(/2 ranks, but the layout dp=1, mp=4, pp=1 has 4/);
  });
});

describe('adapters', () => {
  const adapter = `${goldenFolder}xverse/peft_adapter`;

  test("merged into the weights, they are the golden's; taken out again, nearly the old ones", async () => {
    const stored = goldenTensors('xverse/peft_expected.safetensors');
    const to = await convert(`${goldenFolder}xverse`, fresh(), { merge: 'merge', adapter });
    const ids = stored('input_ids').to('int64');
    const { model } = loadModel(to);
    expect(
      maxAbsDifference(
        noGrad(() => model.forward(ids)),
        stored('logits_merged'),
      ),
    ).toBeLessThan(4e-5);
    const weights = new Map(model.namedParameters());
    const query = weights.get('layers.0.attention.qProj.weight')!;
    expect(maxAbsDifference(query, stored('merged.model.layers.0.self_attn.q_proj.weight'))).toBeLessThan(
      1e-6,
    );
    const back = await convert(to, fresh(), { merge: 'unmerge', adapter });
    const original = new Map(loadModel(`${goldenFolder}xverse`).model.namedParameters());
    for (const [name, parameter] of loadModel(back).model.namedParameters())
      expect(maxAbsDifference(parameter, original.get(name)!), name).toBeLessThan(1e-6);
  });

  test('both sides of a merge answer alike, one of them with the adapter beside its layers', async () => {
    const from = `${goldenFolder}xverse`;
    const merged = fresh();
    const forth = await convertModel({ from, to: merged, merge: 'merge', adapter, checkLogits: true });
    const back = await convertModel({
      from: merged,
      to: fresh(),
      merge: 'unmerge',
      adapter,
      checkLogits: true,
    });
    const none = await convertModel({ from, to: fresh(), checkLogits: true });
    for (const { logits } of [forth, back]) {
      expect(logits?.deviation).toBeGreaterThan(0.1);
      expect(logits?.largestDifference).toBeLessThan(1e-4 * (logits?.deviation ?? 0));
    }
    expect(forth.logits?.deviation).not.toBe(none.logits?.deviation);
  });

  test('so do they where the matrices lie in the source', async () => {
    const from = inOneFile();
    const request = {
      from,
      configPath: `${goldenFolder}xverse/config.json`,
      loraAlpha: 16,
      checkLogits: true,
    };
    for (const merge of ['merge', 'unmerge'] as const) {
      const { logits } = await convertModel({ ...request, to: fresh('.safetensors'), merge });
      expect(logits?.largestDifference, merge).toBeLessThan(1e-4 * (logits?.deviation ?? 0));
    }
  });

  test('what cannot be compared is refused before anything is written', async () => {
    const to = fresh('.safetensors');
    const from = `${spark}/training_state.ckpt`;
    await expect(convert(from, to, { checkLogits: true, leaveOut: strangers })).rejects.toThrow(
      /training_state\.ckpt: the tensors do not fit.*asks for 57/,
    );
    expect(existsSync(to)).toBe(false);
  });

  /** The golden model and its adapter as one file. */
  function inOneFile(): string {
    const path = fresh('.safetensors');
    const parts = [`${goldenFolder}xverse/model.safetensors`, `${adapter}/adapter_model.safetensors`];
    const tensors = parts.flatMap((part) => [...(openModelCheckpoint(part).ranks[0] ?? [])]);
    writeSafetensors(
      path,
      tensors.map(([name, view]) => ({
        name,
        dtype: view.dtype,
        shape: view.shape,
        bytes: () => Buffer.concat([...readView(view)]),
      })),
    );
    return path;
  }

  test('merged while the model is cut over ranks', async () => {
    const layout = {
      dataParallel: 1,
      modelParallel: 2,
      pipelineStages: 1,
      optimizerShard: false,
      shardThreshold: 0,
    };
    const cut = await convert(`${goldenFolder}xverse`, fresh(), { merge: 'merge', adapter, layout });
    const whole = new Map(
      loadModel(
        await convert(`${goldenFolder}xverse`, fresh(), { merge: 'merge', adapter }),
      ).model.namedParameters(),
    );
    for (const [name, parameter] of loadModel(cut).model.namedParameters())
      expect(maxAbsDifference(parameter, whole.get(name)!), name).toBeLessThan(1e-6);
  });

  test('from one spelling to the others and back', async () => {
    const file = `${adapter}/adapter_model.safetensors`;
    const mindpet = await convert(file, fresh('.ckpt'), { adapterNaming: 'mindpet' });
    expect([...digests(mindpet).keys()][0]).toBe('model.layers.0.mlp.down_proj.mindpet_delta_lora_A');
    const telechat = await convert(mindpet, fresh('.bin'), { adapterNaming: 'telechat' });
    expect([...digests(telechat).keys()][0]).toBe('model.layers.0.mlp.down_proj.lora_left_weight');
    const peft = await convert(telechat, fresh('.safetensors'), { adapterNaming: 'peft' });
    expect(digests(peft)).toEqual(digests(file));
    const merged = await convert(`${goldenFolder}xverse`, fresh(), {
      merge: 'merge',
      adapter: telechat,
      loraAlpha: 16,
    });
    const expected = await convert(`${goldenFolder}xverse`, fresh(), { merge: 'merge', adapter });
    expect(digests(merged)).toEqual(digests(expected));
    const lora = await convert(`${spark}/lora_init.ckpt`, fresh('.safetensors'));
    expect(digests(lora)).toEqual(digests(`${spark}/lora_init.safetensors`));
  });

  test.each<[string, Partial<ConvertOptions>, RegExp]>([
    [
      'of another model',
      { merge: 'merge', adapter: `${spark}/lora_init.ckpt`, loraAlpha: 128 },
      /which the source does not have/,
    ],
    [
      'without alpha',
      { merge: 'merge', adapter: `${spark}/lora_init.ckpt` },
      /adapter_config\.json does not exist.*--lora-alpha/,
    ],
    ['that is none', { merge: 'merge', adapter: sparkWhole }, /holds no LoRA matrices/],
  ])('an adapter %s is refused', async (name, options, message) => {
    const from = name === 'without alpha' ? sparkWhole : `${goldenFolder}xverse`;
    const to = fresh();
    await expect(convert(from, to, options)).rejects.toThrow(message);
    expect(existsSync(to)).toBe(false);
  });
});

describe('training states', () => {
  test('weights that are not there are counted', () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    planConversion({ from: `${spark}/training_state.ckpt`, to: fresh(), leaveOut: strangers });
    planConversion({ from: sparkWhole, to: fresh() });
    planConversion({
      from: `${goldenFolder}xverse/peft_adapter`,
      to: fresh(),
      configPath: `${goldenFolder}xverse/config.json`,
    });
    const lines = written.mock.calls.map(([line]) => String(line));
    written.mockRestore();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/training_state\.ckpt: only 2 of the model's 57 tensors are there/);
  });

  test('counters and moments go along, or are named as left out', async () => {
    const state = `${spark}/training_state.ckpt`;
    expect(digests(await convert(state, fresh('.ckpt')))).toEqual(digests(state));
    await expect(convert(state, fresh('.safetensors'))).rejects.toThrow(
      /tensor "a_bool" \(and 2 more\) is no parameter/,
    );
    const result = await convertModel({ from: state, to: fresh('.safetensors'), leaveOut: strangers });
    expect(result.tensors).toBe(2);
    const leftOut = result.leftOut.map(({ name }) => name);
    expect(leftOut).toContain('global_step');
    expect(leftOut.filter((name) => !openModelCheckpoint(state).ranks[0]?.has(name))).toEqual([]);
    expect(result.leftOut.length).toBe(11);
  });
});

describe('safety', () => {
  test('a dry run lists everything and writes nothing', () => {
    const before = readdirSync(folder).length;
    const plan = planConversion({ from: `${spark}/megatron.pt`, to: fresh('.ckpt'), names: 'mindspore' });
    const rows = plan.files.flatMap(({ tensors }) => tensors);
    const fc1 = rows.find(({ name }) => name.endsWith('layers.0.mlp.fc1.weight'));
    expect(fc1?.view.source).toBe('transformer.layers.0.mlp.fc1.weight[1::2]');
    expect(fc1?.shape).toEqual([96, 64]);
    expect(readdirSync(folder).length).toBe(before);
  });

  test('an output that exists is only exchanged on request, and stays when the conversion fails', async () => {
    const to = await convert(sparkWhole, fresh('.ckpt'));
    await expect(convert(sparkWhole, to)).rejects.toThrow(/already exists/);
    const broken = fresh('.safetensors');
    writeFileSync(broken, readFileSync(sparkWhole).subarray(0, 5000));
    const old = digests(to);
    await expect(convert(broken, to, { replace: true })).rejects.toThrow(/header claims|ends at byte/);
    expect(digests(to)).toEqual(old);
    await convert(`${spark}/spark_bf16.ckpt`, to, { replace: true });
    expect(digests(to)).toEqual(digests(`${spark}/spark_bf16.ckpt`));
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('source and output in each other are refused', async () => {
    await expect(convert(spark, join(spark, 'inside'))).rejects.toThrow(/lie in each other/);
    await expect(convert(sparkWhole, sparkWhole, { replace: true })).rejects.toThrow(/lie in each other/);
    expect(existsSync(join(spark, 'inside'))).toBe(false);
  });

  test('both sides answer alike', async () => {
    const same = await convertModel({
      from: `${goldenFolder}telechat-12b`,
      to: fresh(),
      format: 'bin',
      checkLogits: true,
    });
    expect(same.logits?.largestDifference).toBe(0);
    const cast = await convertModel({
      from: `${goldenFolder}telechat-12b`,
      to: fresh(),
      dtype: 'bfloat16',
      checkLogits: true,
    });
    expect(cast.logits?.largestDifference).toBeGreaterThan(0);
    expect(cast.logits?.largestDifference).toBeLessThan(0.2 * (cast.logits?.deviation ?? 0));
  });
});
