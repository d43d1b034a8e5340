/** Who runs, who waits and who is preempted, where slots or blocks are few; and what the prefix cache may serve. */
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { loadModel } from '../../models/index.js';
import { liveTensorCount } from '../../tensor/index.js';
import type { TokenLogProbs } from '../log-probs.js';
import type { GenerationRequest, SequenceEnd } from '../requests.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';

const { model } = loadModel(`${goldenFolder}xverse`, { dtype: 'float32' });
const { model: spark } = loadModel(`${goldenFolder}spark`, { dtype: 'float32' });
afterAll(() => {
  model.dispose();
  spark.dispose();
});

function prompt(seed: number, length: number): number[] {
  return Array.from({ length }, (_, index) => 3 + (((index + 1) * 7919 + seed * 104729) % 57));
}

interface Outcome {
  ids: number[];
  end: SequenceEnd | undefined;
  promptLogProbs: (readonly (TokenLogProbs | null)[])[];
}

/** An engine whose steps are counted, so that one which never comes to an end fails the test. */
class Bench {
  readonly engine: Engine;
  readonly outcomes = new Map<string, Outcome>();

  constructor(options: EngineOptions, of = model) {
    this.engine = new Engine(of, options);
  }

  submit(id: string, request: GenerationRequest): void {
    this.outcomes.set(id, { ids: [], end: undefined, promptLogProbs: [] });
    this.engine.submit(id, request);
  }

  step(): void {
    for (const { id, ids, end, error, promptLogProbs } of this.engine.step()) {
      const outcome = this.get(id);
      if (error !== undefined) throw error;
      outcome.ids.push(...ids);
      outcome.end ??= end;
      if (promptLogProbs !== undefined) outcome.promptLogProbs.push(promptLogProbs);
    }
    this.engine.verify();
  }

  finish(): void {
    for (let step = 0; this.engine.hasWork; step++) {
      expect(step, 'the engine comes to an end').toBeLessThan(1000);
      this.step();
    }
  }

  get(id: string): Outcome {
    const outcome = this.outcomes.get(id);
    if (outcome === undefined) throw new RangeError(`no request ${id}`);
    return outcome;
  }
}

function withBench<Result>(options: EngineOptions, body: (bench: Bench) => Result, of = model): Result {
  const bench = new Bench(options, of);
  try {
    return body(bench);
  } finally {
    bench.engine.dispose();
  }
}

function alone(request: GenerationRequest, of = model): Outcome {
  return withBench(
    { prefixCache: false },
    (bench) => {
      bench.submit('a', request);
      bench.finish();
      return bench.get('a');
    },
    of,
  );
}

describe('giving way', () => {
  const beams: GenerationRequest = {
    promptIds: prompt(1, 70),
    maxNewTokens: 20,
    beams: { count: 4 },
    stopTokenIds: [],
  };

  test.each([
    { name: 'without a prefix cache', prefixCache: false, promptLogProbs: undefined },
    { name: 'with log-probabilities of the prompt', prefixCache: true, promptLogProbs: 0 },
    { name: 'with a prefix cache', prefixCache: true, promptLogProbs: undefined },
  ])('beams start again in a pool that holds their prompt once: $name', ({ prefixCache, promptLogProbs }) => {
    const ours = { ...beams, promptLogProbs };
    const expected = alone(ours);
    // 4 full blocks of the prompt, 2 + 1 for each beam: just what the beams need at most.
    withBench({ cacheTokens: 16 * 16, maxBatchTokens: 32, prefixCache }, (bench) => {
      bench.submit('first', { promptIds: prompt(2, 70), maxNewTokens: 60, priority: -1 });
      for (let step = 0; step < 30; step++) bench.step();
      bench.submit('beams', ours);
      bench.finish();
      expect(bench.engine.stats.preemptions).toBeGreaterThan(0);
      expect(bench.get('beams').ids).toEqual(expected.ids);
      expect(bench.get('beams').promptLogProbs).toEqual(expected.promptLogProbs);
    });
  });

  test('log-probabilities of the prompt come once, although the prompt runs again', () => {
    const requests = [0, 1, 2, 3].map(
      (seed): GenerationRequest => ({ promptIds: prompt(seed, 30), maxNewTokens: 40, promptLogProbs: 1 }),
    );
    withBench({ cacheTokens: 160 }, (bench) => {
      for (const [index, request] of requests.entries()) bench.submit(String(index), request);
      bench.finish();
      expect(bench.engine.stats.preemptions).toBeGreaterThan(0);
      for (const [index, request] of requests.entries())
        expect(bench.get(String(index)).promptLogProbs).toEqual(alone(request).promptLogProbs);
    });
  });

  test('a text that starts has room for its whole prompt: it does not give way before it came to anything', () => {
    withBench({ cacheTokens: 16 * 20, maxBatchTokens: 8, prefixCache: false }, (bench) => {
      for (let index = 0; index < 3; index++)
        bench.submit(`r${index}`, { promptIds: prompt(index, 20), maxNewTokens: 60 });
      for (let step = 0; step < 12; step++) bench.step();
      bench.submit('long', { promptIds: prompt(9, 250), maxNewTokens: 4 });
      bench.finish();
      expect(bench.engine.stats.preemptions).toBe(0);
    });
  });

  test.each([
    { name: 'places', options: { maxSequences: 1 } },
    { name: 'blocks', options: { cacheTokens: 96 } },
  ])('a paused text leaves its $name to others, and goes on where it was', ({ options }) => {
    const ours: GenerationRequest = { promptIds: prompt(1, 50), maxNewTokens: 30 };
    const expected = alone(ours).ids;
    withBench(options, (bench) => {
      bench.submit('paused', ours);
      for (let step = 0; step < 5; step++) bench.step();
      bench.engine.pause('paused');
      bench.submit('other', { promptIds: prompt(2, 50), maxNewTokens: 20 });
      bench.finish();
      expect(bench.get('other').end?.finishReason).toBe('length');
      expect(bench.get('paused').end).toBeUndefined();
      bench.engine.resume('paused');
      bench.finish();
      expect(bench.get('paused').ids).toEqual(expected);
    });
  });
});

describe('the prefix cache', () => {
  test('cached tokens are counted once, however often a request tries to start', () => {
    withBench({ cacheTokens: 128 }, (bench) => {
      const shared = prompt(3, 32);
      bench.submit('before', { promptIds: [...shared, 5], maxNewTokens: 1 });
      bench.finish();
      bench.submit('running', { promptIds: [...shared, 6], maxNewTokens: 60 });
      for (let step = 0; step < 40; step++) bench.step();
      bench.submit('waiting', { promptIds: [...shared, ...prompt(4, 92)], maxNewTokens: 4 });
      bench.finish();
      expect(bench.get('waiting').end).toMatchObject({ promptTokens: 124, cachedTokens: 32 });
      expect(bench.engine.stats.prefixCacheHits).toBe(64);
    });
  });

  test('a mask that shows a padding token has other keys than no mask', () => {
    const pad = spark.maskedTokenId ?? Number.NaN;
    const ids = prompt(5, 40).map((id, index) => (index % 8 === 6 ? pad : id));
    const unmasked: GenerationRequest = { promptIds: ids, maxNewTokens: 12, promptLogProbs: 0 };
    const masked = { ...unmasked, attentionMask: ids.map(() => 1) };
    const expected = alone(masked, spark);
    expect(expected.promptLogProbs, 'the mask is felt').not.toEqual(alone(unmasked, spark).promptLogProbs);
    withBench(
      {},
      (bench) => {
        bench.submit('first', unmasked);
        bench.finish();
        bench.submit('second', { ...masked, promptLogProbs: undefined });
        bench.finish();
        expect(bench.get('second').end?.cachedTokens).toBe(0);
      },
      spark,
    );
  });

  test.each([0, 1, 2, 17, 33, 40, 48])(
    'log-probabilities of a prompt from %i on: the same numbers, the rest cached',
    (from) => {
      const ours: GenerationRequest = { promptIds: prompt(6, 48), maxNewTokens: 3, promptLogProbs: 2 };
      const [whole = []] = alone(ours).promptLogProbs;
      const expected = whole.map((each, index) => (index < from ? null : each));
      withBench({ maxBatchTokens: 20 }, (bench) => {
        for (const id of ['first', 'again']) {
          bench.submit(id, { ...ours, promptLogProbsFrom: from });
          bench.finish();
          expect(bench.get(id).promptLogProbs).toEqual([expected]);
          expect(bench.get(id).ids).toEqual(alone(ours).ids);
        }
        const reusable = from === 48 ? 47 : Math.max(0, from - 1);
        expect(bench.get('again').end?.cachedTokens).toBe(16 * Math.floor(reusable / 16));
      });
    },
  );

  test('shared few-shot prompts: the first computes them, the others wait for that and find them', () => {
    withBench({ maxBatchTokens: 64 }, (bench) => {
      const shared = prompt(7, 160);
      for (let index = 0; index < 5; index++)
        bench.submit(`r${index}`, {
          promptIds: [...shared, 10 + index, 11, 12],
          maxNewTokens: 0,
          promptLogProbs: 0,
          promptLogProbsFrom: 161,
        });
      bench.finish();
      expect(bench.engine.stats.promptTokens).toBe(163 + 4 * 3);
    });
  });
});

test('beams leave no tensors behind while they run', () => {
  withBench({}, (bench) => {
    bench.submit('a', { promptIds: prompt(1, 20), maxNewTokens: 30, beams: { count: 4 } });
    for (let step = 0; step < 5; step++) bench.step();
    const before = liveTensorCount();
    for (let step = 0; step < 15; step++) bench.step();
    expect(liveTensorCount()).toBe(before);
  });
});

test.each<[changes: Partial<GenerationRequest>, message: string]>([
  [{ allowedTokenIds: [5, 999999] }, 'allowedTokenIds has token 999999'],
  [{ allowedTokenIds: [50], vocabLimit: 40 }, 'allowedTokenIds has no token below 40'],
  [{ forbiddenSequences: [[4], [5, -1]] }, 'forbiddenSequences has token -1'],
  [{ sampling: { logitBias: new Map([[999999, 1]]) } }, 'logitBias has token 999999'],
  [{ sampling: { temperature: -1 }, beams: { count: 2 } }, 'temperature is -1'],
  [{ minNewTokens: -1, beams: { count: 2 } }, 'minNewTokens is -1'],
  [{ logProbs: -1 }, 'logProbs is -1'],
  [{ promptLogProbs: 1e9 }, 'promptLogProbs is 1000000000'],
  [{ promptLogProbs: 0, promptLogProbsFrom: 6 }, 'promptLogProbsFrom is 6; give a whole number from 0 to 5'],
  [{ promptLogProbsFrom: 2 }, 'promptLogProbsFrom without promptLogProbs'],
  [{ priority: Number.NaN }, 'priority is NaN'],
  [{ vocabLimit: 0 }, 'vocabLimit is 0'],
])('%j is refused at submission', (changes, message) => {
  withBench({}, (bench) => {
    expect(() => bench.submit('a', { promptIds: prompt(1, 5), maxNewTokens: 2, ...changes })).toThrow(
      message,
    );
    expect(bench.engine.stats).toMatchObject({ waiting: 0, running: 0 });
  });
});

test('stop ids beyond the vocabulary do no harm', () => {
  const ours = { promptIds: prompt(1, 5), maxNewTokens: 6, minNewTokens: 2 };
  expect(alone({ ...ours, stopTokenIds: [999999] }).ids).toEqual(alone(ours).ids);
});

test('a beam search for no tokens is one empty answer', () => {
  withBench({}, (bench) => {
    bench.submit('a', { promptIds: prompt(1, 20), maxNewTokens: 0, beams: { count: 3 } });
    bench.finish();
    expect(bench.get('a')).toMatchObject({ ids: [], end: { finishReason: 'length', generatedTokens: 0 } });
  });
});
