/**
 * Checkpoints as frameworks and users leave them, which once became other models without a word: ranks of different steps,
 * embeddings whole on every rank, shares of an optimiser, states beside weights, tensors that nobody knows, wrapped names.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import {
  DEFAULT_SHARD_THRESHOLD,
  openModelCheckpoint,
  type ParallelLayout,
} from '../src/checkpoint/index.js';
import {
  readView,
  type TensorInput,
  type TensorView,
  writeCkptFile,
  writeSafetensors,
} from '../src/formats/index.js';
import { type ConvertOptions, convertModel, loadModel } from '../src/models/index.js';
import { goldenFolder } from './support/golden.js';
import { requiresShared } from './support/requires.js';
import { sharedCases } from './support/shared-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-cases-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function fresh(): string {
  return join(folder, String(count++));
}

type Tensors = ReadonlyMap<string, TensorView>;

function tensorsOf(path: string): Tensors {
  const [tensors] = openModelCheckpoint(path).ranks;
  if (tensors === undefined) throw new Error(`no tensors in ${path}`);
  return tensors;
}

function bytesOf(view: TensorView | undefined): Buffer {
  if (view === undefined) throw new Error('no such tensor');
  return Buffer.concat([...readView(view)]);
}

async function convert(from: string, options: Partial<ConvertOptions> = {}): Promise<Tensors> {
  const to = fresh();
  await convertModel({ from, to, ...options });
  return tensorsOf(to);
}

/** Same names, dtypes, shapes and bytes. */
function expectSame(found: Tensors, wanted: Tensors): void {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, view] of wanted) {
    const other = found.get(name);
    expect([name, other?.dtype, other?.shape]).toEqual([name, view.dtype, view.shape]);
    expect(bytesOf(other).equals(bytesOf(view)), name).toBe(true);
  }
}

const layout = (some: Partial<ParallelLayout>): ParallelLayout => ({
  dataParallel: 1,
  modelParallel: 1,
  pipelineStages: 1,
  optimizerShard: false,
  shardThreshold: DEFAULT_SHARD_THRESHOLD,
  ...some,
});

/** Ranks of one checkpoint each, written by hand. */
function ranksOf(parts: readonly Tensors[], name = (rank: number) => `checkpoint_${rank}.ckpt`): string {
  const to = fresh();
  for (const [rank, tensors] of parts.entries()) {
    mkdirSync(join(to, `rank_${rank}`), { recursive: true });
    writeCkptFile(join(to, `rank_${rank}`, name(rank)), inputs(tensors));
  }
  return to;
}

function inputs(tensors: Tensors): TensorInput[] {
  return [...tensors].map(([name, view]) => ({
    name,
    dtype: view.dtype,
    shape: view.shape,
    bytes: () => readView(view),
  }));
}

const EMBEDDING = 'transformer.embedding.word_embeddings.embedding_table';
const spark = sharedCases('spark');

describe('ranks of Spark', requiresShared(spark), () => {
  const config = join(spark ?? '', 'model_config.yaml');

  test('the newest step that every rank has', async () => {
    const found = await convert(join(spark ?? '', 'uneven'));
    const alone = fresh();
    for (const rank of [0, 1])
      cpSync(
        join(spark ?? '', 'uneven', `rank_${rank}`, `s_rank_${rank}-0_500.ckpt`),
        join(alone, `rank_${rank}`, 'only.ckpt'),
      );
    expectSame(found, await convert(alone));
  });

  test('no common step, and steps that only counters tell, are refused', async () => {
    const apart = fresh();
    for (const [rank, step] of [
      [0, 1000],
      [1, 500],
    ])
      cpSync(
        join(spark ?? '', 'uneven', `rank_${rank}`, `s_rank_${rank}-0_${step}.ckpt`),
        join(apart, `rank_${rank}`, `s_rank_${rank}-0_${step}.ckpt`),
      );
    await expect(convert(apart)).rejects.toThrow(
      /no step of which every rank has a checkpoint: rank_0 has .*0_1000/,
    );
    const undated = fresh();
    for (const [rank, step] of [
      [0, 1000],
      [1, 500],
    ])
      cpSync(
        join(spark ?? '', 'uneven', `rank_${rank}`, `s_rank_${rank}-0_${step}.ckpt`),
        join(undated, `rank_${rank}`, 'last.ckpt'),
      );
    await expect(convert(undated)).rejects.toThrow(/of different steps/);
  });

  test.each([undefined, config])(
    'an embedding that every rank has whole is taken once (config %s)',
    async (path) => {
      const from = join(spark ?? '', 'mp2_embdp');
      const found = await convert(from, { configPath: path });
      expect(found.get(EMBEDDING)?.shape).toEqual([320, 64]);
      expect(
        bytesOf(found.get(EMBEDDING)).equals(bytesOf(openModelCheckpoint(from).ranks[1]?.get(EMBEDDING))),
      ).toBe(true);
      expect(found.get('transformer.transformer.layers.0.attention.q_proj.weight')?.shape).toEqual([64, 64]);
    },
  );

  test('shares of an optimiser are no model-parallel parts', async () => {
    const from = join(spark ?? '', 'dp2_os');
    for (const configPath of [undefined, config])
      await expect(convert(from, { configPath })).rejects.toThrow(
        /the whole of transformer\.transformer\.layernorm\.beta, but it differs between them.*--source-layout/,
      );
    const sharded = { dataParallel: 2, optimizerShard: true };
    // The norms' shares are below the default threshold: the config tells, or the threshold does.
    const found = await convert(from, { sourceLayout: layout(sharded), configPath: config });
    expectSame(await convert(from, { sourceLayout: layout({ ...sharded, shardThreshold: 0 }) }), found);
    await expect(convert(from, { sourceLayout: layout(sharded) })).rejects.toThrow(/threshold=KB/);
    expect(found.get(EMBEDDING)?.shape).toEqual([320, 64]);
    expect(found.get('transformer.transformer.layernorm.beta')?.shape).toEqual([64]);
  });

  test('shares that only their shapes tell', async () => {
    const parts = openModelCheckpoint(join(spark ?? '', 'dp2_os')).ranks;
    const [first] = parts;
    // As before training: all that is never cut is the same on both ranks.
    const equal = parts.map(
      (tensors) =>
        new Map(
          [...tensors].map(([name, view]) => [
            name,
            /norm|(out_proj|fc2)\.bias/.test(name) ? (first?.get(name) ?? view) : view,
          ]),
        ),
    );
    await expect(convert(ranksOf(equal))).rejects.toThrow(
      /word_embeddings.* is \[320, 64\] and the last norm \[32\]/,
    );
  });

  test('states beside weights do not hide the family: embedding and norms stay float32', async () => {
    const [state, plain] = ['st_adam.ckpt', 'plain.ckpt'].map((name) => join(spark ?? '', name));
    const found = await convert(state ?? '', { dtype: 'bfloat16' });
    expectSame(found, await convert(plain ?? '', { dtype: 'bfloat16' }));
    expect(found.get(EMBEDDING)?.dtype).toBe('float32');
  });
});

describe('an odd vocabulary', () => {
  test('is whole on every rank, written and read', async () => {
    const source = tensorsOf(`${goldenFolder}xverse`);
    const from = fresh();
    mkdirSync(from);
    const odd = new Map(
      [...source].map(([name, view]) => [
        name,
        /embed_tokens|lm_head/.test(name)
          ? { ...view, shape: [(view.shape[0] ?? 0) - 1, view.shape[1] ?? 0] }
          : view,
      ]),
    );
    writeSafetensors(join(from, 'model.safetensors'), inputs(odd));
    const ranks = fresh();
    await convertModel({ from, to: ranks, layout: layout({ modelParallel: 2 }) });
    expect(openModelCheckpoint(ranks).ranks[1]?.get('lm_head.weight')?.shape).toEqual([319, 64]);
    expectSame(await convert(ranks), odd);
  });
});

describe('tensors that nobody knows', () => {
  const xverse = sharedCases('checkpoints/xverse_with_a_bias_it_lacks');

  test('a bias that the model lacks', requiresShared(xverse), async () => {
    await expect(convert(xverse ?? '')).rejects.toThrow(
      /tensor "model\.layers\.0\.self_attn\.q_proj\.bias" is no parameter or buffer/,
    );
    expect(() => loadModel(xverse ?? '')).toThrow(
      /not part of this model: model\.layers\.0\.self_attn\.q_proj\.bias/,
    );
  });

  test('beside optimiser states, too', async () => {
    const from = `${goldenFolder}spark/training_state.ckpt`;
    await expect(convert(from)).rejects.toThrow(/"a_bool"/);
  });
});

describe('names as wrappers leave them', () => {
  const wrapped = (name: string, wrap: (name: string) => string): string => {
    const to = fresh();
    mkdirSync(to);
    cpSync(`${goldenFolder}${name}/config.json`, join(to, 'config.json'));
    const tensors = [...tensorsOf(`${goldenFolder}${name}`)].map(([own, view]) => [wrap(own), view] as const);
    writeSafetensors(join(to, 'model.safetensors'), inputs(new Map(tensors)));
    return to;
  };

  test.each([
    ['module.', (name: string) => `module.${name}`],
    ['_orig_mod.', (name: string) => `_orig_mod.${name}`],
    ['module._orig_mod.', (name: string) => `module._orig_mod.${name}`],
    ['base_model.model.', (name: string) => `base_model.model.${name}`],
    ['of each layer', (name: string) => name.replace(/\.(\d+)\./, '.$1._orig_mod._fsdp_wrapped_module.')],
    [
      'of the root and one layer',
      (name: string) => `module.${name.replace('.1.', '.1._checkpoint_wrapped_module.')}`,
    ],
    ["Lightning's", (name: string) => `model.${name}`],
    [
      'base_layer of PEFT',
      (name: string) => `base_model.model.${name.replace(/(q_proj|query)\./, '$1.base_layer.')}`,
    ],
  ])('%s: loaded and converted as without', async (_, wrap) => {
    for (const name of ['xverse', 'telechat-7b'] as const) {
      const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      const from = wrapped(name, wrap);
      expectSame(await convert(from), tensorsOf(`${goldenFolder}${name}`));
      const { model } = loadModel(from);
      const lines = said.mock.calls.map(([line]) => String(line)).join('');
      said.mockRestore();
      expect(lines).toMatch(/taken off the names of tensors: "/);
      model.dispose();
    }
  });

  test('two names of one parameter are refused', async () => {
    const from = fresh();
    mkdirSync(from);
    const [[name, view] = ['', undefined]] = [...tensorsOf(`${goldenFolder}xverse`)];
    if (view === undefined) throw new Error('no tensor');
    const tensors = new Map([...tensorsOf(`${goldenFolder}xverse`), [`module.${name}`, view]]);
    writeSafetensors(join(from, 'model.safetensors'), inputs(tensors));
    await expect(convert(from)).rejects.toThrow(/are the same parameter of the model; remove one/);
  });

  test('what remains unknown keeps its name in the message', async () => {
    const from = fresh();
    mkdirSync(from);
    const tensors = new Map(
      [...tensorsOf(`${goldenFolder}xverse`)].map(([name, view]) => [`module.${name}`, view]),
    );
    const [view] = tensors.values();
    if (view !== undefined) tensors.set('module.model.layers.0.gate', view);
    writeSafetensors(join(from, 'model.safetensors'), inputs(tensors));
    await expect(convert(from)).rejects.toThrow(/"module\.model\.layers\.0\.gate" is no parameter/);
  });
});
