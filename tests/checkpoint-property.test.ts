/**
 * For random layouts, wrappers, saves and adapters: what goes into a checkpoint comes out of it, or is refused by name. Never
 * does another model come out without a word.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import {
  AdapterSet,
  LAYOUT_FILE,
  loadAdapter,
  openModelCheckpoint,
  type ParallelLayout,
} from '../src/checkpoint/index.js';
import { InputError } from '../src/errors/index.js';
import {
  readView,
  type TensorInput,
  type TensorView,
  writeCkptFile,
  writeSafetensors,
} from '../src/formats/index.js';
import { mergeLora } from '../src/lora/index.js';
import { convertModel, type LoadedModel, loadModel } from '../src/models/index.js';
import { namedLinears } from '../src/nn/index.js';
import { intTensor, noGrad, RandomGenerator, randn, scope, type Tensor } from '../src/tensor/index.js';
import { goldenFolder } from './support/golden.js';
import { isLongSuite } from './support/long-suite.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-property-'));
afterAll(() => rmSync(folder, { recursive: true }));
vi.spyOn(process.stderr, 'write').mockReturnValue(true);

let count = 0;
const fresh = (): string => join(folder, String(count++));

function sourceOf(name: string): string {
  return `${goldenFolder}${name}${name === 'spark' ? '/model.safetensors' : ''}`;
}

type Tensors = ReadonlyMap<string, TensorView>;

function tensorsOf(path: string): Tensors {
  return openModelCheckpoint(path).ranks[0] ?? new Map();
}

function digestOf(tensors: Tensors): Map<string, string> {
  return new Map(
    [...tensors]
      .map(([name, view]): [string, string] => [
        name,
        `${view.dtype} [${view.shape.join()}] ${createHash('sha256')
          .update(Buffer.concat([...readView(view)]))
          .digest('hex')}`,
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function inputs(tensors: Tensors): TensorInput[] {
  return [...tensors].map(([name, { dtype, shape, ...view }]) => ({
    name,
    dtype,
    shape,
    bytes: () => readView({ dtype, shape, ...view }),
  }));
}

/** The outcome of something that may refuse its input. @returns undefined if it did, with a message */
async function unlessRefused<Result>(run: () => Result | Promise<Result>): Promise<Result | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message.length).toBeGreaterThan(20);
    return undefined;
  }
}

interface Disguise {
  readonly wrap: string;
  readonly isLayoutHidden: boolean;
  readonly isEmbeddingWhole: boolean;
  readonly isStranger: boolean;
  /** One rank more has saved than the others. */
  readonly isUneven: boolean;
}

const PLAIN: Disguise = {
  wrap: '',
  isLayoutHidden: false,
  isEmbeddingWhole: false,
  isStranger: false,
  isUneven: false,
};
const PLAIN_LAYOUT: ParallelLayout = {
  dataParallel: 2,
  modelParallel: 2,
  pipelineStages: 2,
  optimizerShard: true,
  shardThreshold: 0,
};

const EMBEDDING = /^(?:.*word_embeddings.*|.*embed_tokens.*|.*wte.*)$/;

/** The ranks of `from` as a training might have left them. */
function disguised(from: string, whole: Tensors, disguise: Disguise): string {
  const to = fresh();
  const { ranks } = openModelCheckpoint(from);
  for (const [rank, tensors] of ranks.entries()) {
    const place = join(to, `rank_${rank}`);
    mkdirSync(place, { recursive: true });
    const changed = [...tensors].map(([name, view]): [string, TensorView] => [
      disguise.wrap + name,
      (disguise.isEmbeddingWhole && EMBEDDING.test(name) ? whole.get(name) : undefined) ?? view,
    ]);
    const [first] = changed;
    if (disguise.isStranger && first !== undefined) changed.push(['a.strange.weight', first[1]]);
    writeCkptFile(join(place, `run_rank_${rank}-1_500.ckpt`), inputs(new Map(changed)));
    if (disguise.isUneven && rank === 0 && ranks.length > 1) {
      const other = ranks.at(-1) ?? tensors;
      writeCkptFile(join(place, `run_rank_${rank}-2_100.ckpt`), inputs(other));
    }
  }
  if (!disguise.isLayoutHidden) renameSync(join(from, LAYOUT_FILE), join(to, LAYOUT_FILE));
  return to;
}

describe('ranks', () => {
  test.each(['spark', 'telechat-7b', 'telechat-52b', 'xverse'])(
    '%s: any layout in any disguise is the model again, or refused',
    async (name) => {
      const from = sourceOf(name);
      const source = fresh();
      // The form that all disguises come back to.
      await convertModel({ from, to: source });
      const whole = tensorsOf(source);
      const wanted = digestOf(whole);
      const layouts: fc.Arbitrary<ParallelLayout> = fc.record({
        dataParallel: fc.constantFrom(1, 2),
        modelParallel: fc.constantFrom(1, 2),
        pipelineStages: fc.constantFrom(1, 2),
        optimizerShard: fc.boolean(),
        shardThreshold: fc.constantFrom(0, 4096, 65536),
      });
      const disguises: fc.Arbitrary<Disguise> = fc.record({
        wrap: fc.constantFrom('', 'module.', '_orig_mod.'),
        isLayoutHidden: fc.boolean(),
        isEmbeddingWhole: fc.boolean(),
        isStranger: fc.constantFrom(false, false, true),
        isUneven: fc.boolean(),
      });
      let came = 0;
      await fc.assert(
        fc.asyncProperty(layouts, disguises, async (layout, disguise) => {
          const cut = fresh();
          await convertModel({ from: source, to: cut, layout });
          const ranks = disguised(cut, whole, disguise);
          const back = fresh();
          const result = await unlessRefused(() => convertModel({ from: ranks, to: back, states: 'drop' }));
          if (disguise.isStranger) expect(result).toBeUndefined();
          if (result !== undefined) {
            came += 1;
            expect(digestOf(tensorsOf(back))).toEqual(wanted);
          }
          const isPlain = !disguise.isLayoutHidden && !disguise.isStranger && !disguise.isEmbeddingWhole;
          if (isPlain) expect(result).toBeDefined();
          for (const path of [cut, ranks, back]) rmSync(path, { recursive: true, force: true });
        }),
        // One that has to come: all that are drawn may be refused.
        { numRuns: isLongSuite ? 12 : 5, examples: [[PLAIN_LAYOUT, PLAIN]] },
      );
      expect(came).toBeGreaterThan(0);
    },
    60_000,
  );
});

interface AdapterPlan {
  readonly layers: readonly { readonly pick: number; readonly rank: number; readonly alpha: number }[];
  readonly dora: boolean;
  readonly rankStabilized: boolean;
  readonly bias: boolean;
  readonly whole: readonly number[];
  readonly embedding: 'none' | 'low-rank' | 'tokens';
}

const PLAIN_ADAPTER: AdapterPlan = {
  layers: [{ pick: 0, rank: 2, alpha: 4 }],
  dora: false,
  rankStabilized: false,
  bias: false,
  whole: [],
  embedding: 'none',
};

const random = new RandomGenerator(23);

/** A PEFT folder with tensors of the model's shapes. */
function writeAdapter({ model, architecture }: LoadedModel, plan: AdapterPlan): string {
  const to = fresh();
  mkdirSync(to);
  const tensors = new Map<string, Tensor>();
  const published = (own: string): string => architecture.names.toPublished(own);
  const base = 'base_model.model.';
  const linears = [...namedLinears(model)];
  const ranks: Record<string, number> = {};
  const alphas: Record<string, number> = {};
  const values = (...shape: number[]): Tensor => randn(shape, random).mul(0.05);
  for (const { pick, rank, alpha } of plan.layers) {
    const [own, layer] = linears[pick % linears.length] ?? [];
    if (own === undefined || layer === undefined) continue;
    const module = published(`${own}.weight`).replace(/\.weight$/, '');
    const name = base + module;
    tensors.set(`${name}.lora_A.weight`, values(rank, layer.inFeatures));
    tensors.set(`${name}.lora_B.weight`, values(layer.outFeatures, rank));
    if (plan.dora) tensors.set(`${name}.lora_magnitude_vector`, values(layer.outFeatures).abs().add(1));
    if (plan.bias) tensors.set(`${name}.lora_B.bias`, values(layer.outFeatures));
    ranks[module.replaceAll('.', '\\.')] = rank;
    alphas[module.replaceAll('.', '\\.')] = alpha;
  }
  const parameters = model.namedParameters();
  for (const pick of plan.whole) {
    const [own, parameter] = parameters[pick % parameters.length] ?? [];
    if (own === undefined || parameter === undefined) continue;
    tensors.set(base + published(own), parameter.add(values(...parameter.shape)));
  }
  const table = parameters.find(([own]) => own === 'embedTokens.weight')?.[1];
  const embedding = base + published('embedTokens.weight').replace(/\.(weight|embedding_table)$/, '');
  if (
    table !== undefined &&
    plan.embedding === 'low-rank' &&
    published('embedTokens.weight').endsWith('.weight')
  ) {
    tensors.set(`${embedding}.lora_embedding_A`, values(2, table.size(0)));
    tensors.set(`${embedding}.lora_embedding_B`, values(table.size(1), 2));
    if (plan.dora) tensors.set(`${embedding}.lora_magnitude_vector`, values(table.size(1)).abs().add(1));
  }
  if (table !== undefined && plan.embedding === 'tokens')
    tensors.set(`${embedding}.token_adapter.trainable_tokens_delta`, values(3, table.size(1)));
  writeSafetensors(
    join(to, 'adapter_model.safetensors'),
    [...tensors].map(([name, tensor]) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      bytes: () => tensor.toBytes(),
    })),
  );
  const config = {
    peft_type: 'LORA',
    r: 2,
    lora_alpha: 4,
    use_dora: plan.dora,
    use_rslora: plan.rankStabilized,
    lora_bias: plan.bias,
    rank_pattern: ranks,
    alpha_pattern: alphas,
    trainable_token_indices: plan.embedding === 'tokens' ? [7, 3, 100] : null,
  };
  writeFileSync(join(to, 'adapter_config.json'), JSON.stringify(config));
  return to;
}

const IDS = [5, 3, 100, 7, 41, 7];

function logitsOf({ model }: LoadedModel): Tensor {
  return noGrad(() => model.forward(intTensor(IDS, [1, IDS.length])));
}

function difference(a: Tensor, b: Tensor): number {
  return a.sub(b).abs().max().item();
}

describe('adapters', () => {
  const plans: fc.Arbitrary<AdapterPlan> = fc.record({
    layers: fc.array(
      fc.record({
        pick: fc.nat(40),
        rank: fc.integer({ min: 1, max: 3 }),
        alpha: fc.integer({ min: 1, max: 9 }),
      }),
      { maxLength: 4 },
    ),
    dora: fc.boolean(),
    rankStabilized: fc.boolean(),
    bias: fc.constantFrom(false, false, true),
    whole: fc.array(fc.nat(60), { maxLength: 2 }),
    embedding: fc.constantFrom('none', 'none', 'low-rank', 'tokens'),
  });

  test.each(['spark', 'telechat-7b', 'telechat-52b', 'xverse'])(
    '%s: beside its layers, merged in memory, merged in files and served an adapter answers the same, or is refused',
    async (name) => {
      const source = sourceOf(name);
      let came = 0;
      await fc.assert(
        fc.asyncProperty(plans, async (plan) => {
          const loaded = loadModel(source, { dtype: 'float64' });
          const adapter = scope(() => writeAdapter(loaded, plan));
          const answers = await unlessRefused(() => {
            loadAdapter(loaded.model, loaded.architecture.names, adapter);
            return logitsOf(loaded);
          });
          if (answers === undefined) return loaded.model.dispose();
          came += 1;
          const inMemory = await unlessRefused(() => {
            mergeLora(loaded.model);
            return logitsOf(loaded);
          });
          if (inMemory !== undefined) expect(difference(inMemory, answers)).toBeLessThan(1e-9);
          loaded.model.dispose();
          const to = fresh();
          const inFiles = await unlessRefused(async () => {
            await convertModel({ from: source, to, dtype: 'float64', merge: 'merge', adapter });
            return loadModel(to);
          });
          if (inFiles !== undefined) {
            // Merged in the width of the weights.
            expect(difference(logitsOf(inFiles), answers)).toBeLessThan(1e-4);
            inFiles.model.dispose();
          }
          const served = loadModel(source, { dtype: 'float64' });
          const logits = await unlessRefused(() => {
            const set = new AdapterSet(served.model, served.architecture.names);
            set.load('one', adapter);
            set.useRows(IDS.map(() => 'one'));
            return logitsOf(served);
          });
          if (logits !== undefined) expect(difference(logits, answers)).toBeLessThan(1e-9);
          served.model.dispose();
          for (const path of [to, adapter]) rmSync(path, { recursive: true, force: true });
        }),
        { numRuns: isLongSuite ? 15 : 6, examples: [[PLAIN_ADAPTER]] },
      );
      expect(came).toBeGreaterThan(0);
    },
    60_000,
  );
});
