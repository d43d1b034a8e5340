/** Runs of several ranks, each a process, against the same run of one: losses, norms, checkpoints, weights. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { goldenModels } from './support/golden.js';
import { casesOf, isLongSuite } from './support/long-suite.js';
import {
  ALONE,
  familyCases,
  type ParallelCase,
  ParallelRuns,
  publishedConfig,
} from './support/parallel-runs.js';

const runs = new ParallelRuns();
afterAll(() => runs.dispose());

/** Fused matrices, the plain layout and experts; the others in the long run. */
const FAMILIES = casesOf(goldenModels, (name) => ['telechat-52b', 'xverse', 'qwen3moe'].includes(name));

const xverse = publishedConfig('xverse');
const lora = { rank: 4, dropout: 0.2, target_modules: ['q_proj', 'up_proj'] };
const dpo = { files: [runs.preferences], form: 'preference' };

const cases: ParallelCase[] = [
  ...familyCases(FAMILIES),
  { name: 'recompute', config: publishedConfig('qwen3'), training: { recompute: 'full' }, within: 1e-10 },
  // Rows that are left over: some ranks have a micro-batch less than others, or none.
  {
    name: 'epochs',
    config: xverse,
    training: { steps: undefined, epochs: 1.5, micro_batch_size: 2 },
    within: 1e-10,
  },
  // Adapters are of float32, whatever the model is of.
  { name: 'lora', config: xverse, sections: { lora }, within: 1e-5 },
  { name: 'noise', config: xverse, training: { neftune_noise_alpha: 5 }, within: 1e-10 },
  { name: 'mixed', config: xverse, training: { precision: 'bfloat16-mixed' }, within: 5e-3 },
  { name: 'scaled', config: xverse, training: { precision: 'float16-mixed' }, within: 5e-3 },
  {
    name: 'dpo',
    config: xverse,
    training: { objective: { loss: 'dpo' } },
    sections: { data: dpo, evaluation: { ...dpo, every: 3, max_rows: 5 } },
    within: 1e-10,
  },
];

const named = (...names: string[]): ParallelCase[] => cases.filter(({ name }) => names.includes(name));

// Every family where parameters are gathered; without that no family is different from another.
// Four processes on two cores are slow: the quick suite has one layout of them.
const ALL_LAYOUTS = [
  {
    run: 'two-0',
    ranks: 2,
    zero: 0,
    of: named('xverse', 'lora', 'dpo', ...(isLongSuite ? ['noise', 'scaled'] : [])),
  },
  {
    run: 'two-3',
    ranks: 2,
    zero: 3,
    of: isLongSuite
      ? cases
      : cases.filter(({ name }) => !['noise', 'scaled', 'dpo', 'recompute', 'mixed'].includes(name)),
  },
  { run: 'four-1', ranks: 4, zero: 1, of: named('xverse', ...(isLongSuite ? ['epochs'] : [])) },
  { run: 'four-2', ranks: 4, zero: 2, of: named('epochs', 'mixed') },
] as const;
const LAYOUTS = casesOf(ALL_LAYOUTS, ({ run }) => run !== 'four-2');
const trained = cases.filter((one) => LAYOUTS.some(({ of }) => of.includes(one)));

beforeAll(async () => {
  await runs.run(trained, ALONE);
  for (const { of, ...layout } of LAYOUTS) await runs.run(of, layout);
}, 600_000);

describe.each(LAYOUTS)('$ranks ranks, ZeRO $zero', ({ run, of }) => {
  it.each(of)('train $name as one process does', (one) => runs.expectAsAlone(run, one));
});

describe('a run goes on', () => {
  const changes = [
    { from: 'two-3', ranks: 4, zero: 1 },
    { from: 'four-1', ranks: 1, zero: 0 },
    { from: 'one', ranks: 2, zero: 2 },
  ];
  it.each(casesOf(changes, ({ ranks }) => ranks < 4))(
    'on $ranks rank(s), ZeRO $zero, from a checkpoint of $from',
    async ({ from, ranks, zero }) => {
      const [one] = named('xverse');
      if (one === undefined) throw new Error('no case');
      const run = `${from}-on-${ranks}`;
      await runs.resume(one, from, { run, ranks, zero });
      runs.expectAsAlone(run, one);
    },
  );
});
