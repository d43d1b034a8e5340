/** Pooled hidden states out of the engine: those of the whole prompt in one pass, whatever runs beside it. */
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { type CausalLm, loadModel } from '../../models/index.js';
import { intTensor, noGrad, scope } from '../../tensor/index.js';
import type { GenerationRequest, Pooling } from '../requests.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';

const folders = ['spark', 'telechat-12b', 'telechat-52b', 'xverse'] as const;
const poolings = ['last', 'mean'] as const;
const models = new Map<string, CausalLm>();

function model(folder: string): CausalLm {
  const found = models.get(folder) ?? loadModel(`${goldenFolder}${folder}`, { dtype: 'float32' }).model;
  models.set(folder, found);
  return found;
}

afterAll(() => {
  for (const each of models.values()) each.dispose();
});

function prompt(seed: number, length: number): number[] {
  return Array.from({ length }, (_, index) => 3 + (((index + 1) * 7919 + seed * 104729) % 57));
}

function pooled(promptIds: readonly number[], pooling: Pooling): GenerationRequest {
  return { promptIds, pooling, maxNewTokens: 0 };
}

const chatty = (seed: number, length: number, maxNewTokens = 16): GenerationRequest => ({
  promptIds: prompt(seed, length),
  maxNewTokens,
  sampling: { temperature: 1, seed },
});

/** What the engine gives for each that is pooled, and the tokens that came out of the cache. */
function run(engine: Engine, requests: Record<string, GenerationRequest>) {
  const found: Record<string, { vector: number[]; cached: number | undefined }> = {};
  for (const [id, each] of Object.entries(requests)) engine.submit(id, each);
  while (engine.hasWork) {
    for (const { id, embedding, end, error } of engine.step()) {
      if (error !== undefined) throw error;
      if (embedding !== undefined) found[id] = { vector: [...embedding], cached: end?.cachedTokens };
    }
    engine.verify();
  }
  return found;
}

function withEngine<Result>(of: CausalLm, options: EngineOptions, body: (engine: Engine) => Result): Result {
  const engine = new Engine(of, options);
  try {
    return body(engine);
  } finally {
    engine.dispose();
  }
}

/** The reference: one pass over the whole text, without cache. */
function inOnePiece(of: CausalLm, ids: readonly number[], pooling: Pooling): number[] {
  return noGrad(() =>
    scope(() => {
      const hidden = of.hiddenStates(intTensor([...ids], [1, ids.length]), of.createContext(ids.length));
      const states = of.finalNorm.forward(hidden).toFloat32Array();
      const width = of.shape.hiddenSize;
      const rows = Array.from(ids, (_, row) => states.subarray(row * width, (row + 1) * width));
      const last = rows.at(-1) ?? [];
      if (pooling === 'last') return [...last];
      return Array.from(
        last,
        (_, place) => rows.reduce((sum, row) => sum + (row[place] ?? 0), 0) / ids.length,
      );
    }),
  );
}

function expectClose(found: readonly number[] | undefined, expected: readonly number[]): void {
  expect(found?.length).toBe(expected.length);
  const largest = Math.max(
    ...expected.map((value, place) => Math.abs(value - (found?.[place] ?? Number.NaN))),
  );
  expect(largest).toBeLessThan(1e-5);
}

describe.each(folders)('%s', (folder) => {
  test.each(poolings)('%s: as the whole prompt in one piece', (pooling) => {
    const of = model(folder);
    for (const length of [1, 2, 16, 33, 47]) {
      const ids = prompt(length, length);
      withEngine(of, {}, (engine) =>
        expectClose(run(engine, { a: pooled(ids, pooling) }).a?.vector, inOnePiece(of, ids, pooling)),
      );
    }
  });

  test.each(poolings)(
    '%s: the same bits alone, in a crowd, in pieces, behind a cached beginning',
    (pooling) => {
      const of = model(folder);
      const ours = pooled(prompt(1, 47), pooling);
      const alone = withEngine(of, {}, (engine) => run(engine, { a: ours }).a);
      const crowd = Object.fromEntries([2, 3, 4, 5, 6].map((seed) => [`c${seed}`, chatty(seed, 8 * seed)]));
      const others = { ...crowd, m: pooled(prompt(8, 29), 'mean'), l: pooled(prompt(9, 31), 'last') };
      for (const options of [{}, { maxBatchTokens: 5 }, { maxBatchTokens: 16, maxDrafts: 4 }])
        withEngine(of, options, (engine) =>
          expect(run(engine, { ...others, a: ours }).a?.vector).toEqual(alone?.vector),
        );
      withEngine(of, {}, (engine) => {
        run(engine, { before: chatty(1, 47) });
        const again = run(engine, { a: ours }).a;
        expect(again?.vector).toEqual(alone?.vector);
        // The cache has keys and values, and no hidden states.
        expect(again?.cached).toBe(pooling === 'last' ? 32 : 0);
      });
    },
  );

  test.each(poolings)('%s: preempted in the middle of a prompt, and run again', (pooling) => {
    const of = model(folder);
    const ours = pooled(prompt(1, 47), pooling);
    const alone = withEngine(of, {}, (engine) => run(engine, { a: ours }).a);
    withEngine(of, { cacheTokens: 80, maxBatchTokens: 8, maxLength: 64, maxSequences: 4 }, (engine) => {
      engine.submit('b', chatty(2, 20, 24));
      for (let step = 0; step < 4; step++) engine.step();
      engine.submit('a', ours);
      engine.step();
      engine.step();
      engine.pause('a');
      // A paused text gives its place up to who needs it.
      for (const seed of [3, 4]) engine.submit(`c${seed}`, chatty(seed, 24, 24));
      for (let step = 0; step < 12; step++) engine.step();
      engine.resume('a');
      let vector: number[] | undefined;
      while (engine.hasWork)
        for (const { id, embedding, error } of engine.step()) {
          if (error !== undefined) throw error;
          if (id === 'a' && embedding !== undefined) vector = [...embedding];
        }
      expect(engine.stats.preemptions).toBeGreaterThan(0);
      expect(vector).toEqual(alone?.vector);
    });
  });
});

test('what bears on an answer is refused', () => {
  withEngine(model('xverse'), {}, (engine) => {
    const request = pooled(prompt(1, 4), 'last');
    for (const [changes, name] of [
      [{ maxNewTokens: 3 }, 'maxNewTokens'],
      [{ logProbs: 1 }, 'logProbs'],
      [{ promptLogProbs: 0 }, 'promptLogProbs'],
      [{ beams: { count: 2 } }, 'beams'],
    ] as const)
      expect(() => engine.submit('a', { ...request, ...changes })).toThrow(new RegExp(`pooling.*${name}`));
  });
});
