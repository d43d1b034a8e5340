/** The engine on the golden models: the same ids whatever runs beside a request, and everything given back. */
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { type CausalLm, loadModel } from '../../models/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { GenerationRequest } from '../requests.js';
import { Engine, type EngineEvent } from './engine.js';
import type { EngineOptions } from './engine-options.js';

const models = new Map<string, CausalLm>();

function model(folder: string, dtype: 'float32' | 'bfloat16' | 'float64' = 'float32'): CausalLm {
  const key = `${folder} ${dtype}`;
  const found = models.get(key) ?? loadModel(`${goldenFolder}${folder}`, { dtype }).model;
  models.set(key, found);
  return found;
}

afterAll(() => {
  for (const each of models.values()) each.dispose();
});

/** A prompt without pattern. */
function prompt(seed: number, length: number, vocabSize = 60): number[] {
  return Array.from({ length }, (_, index) => 3 + (((index + 1) * 7919 + seed * 104729) % (vocabSize - 3)));
}

/** Sampling, so that the smallest change of a logit shows in the ids sooner or later. */
function request(seed: number, length: number, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    promptIds: prompt(seed, length),
    maxNewTokens: 24,
    sampling: { temperature: 1, seed },
    ...changes,
  };
}

interface Outcome {
  readonly ids: number[];
  readonly events: EngineEvent[];
}

function run(engine: Engine, requests: Record<string, GenerationRequest>): Record<string, Outcome> {
  const outcomes: Record<string, Outcome> = {};
  for (const [id, each] of Object.entries(requests)) {
    outcomes[id] = { ids: [], events: [] };
    engine.submit(id, each);
  }
  while (engine.hasWork)
    for (const event of engine.step()) {
      outcomes[event.id]?.ids.push(...event.ids);
      outcomes[event.id]?.events.push(event);
    }
  return outcomes;
}

function withEngine<Result>(of: CausalLm, options: EngineOptions, body: (engine: Engine) => Result): Result {
  const engine = new Engine(of, options);
  try {
    return body(engine);
  } finally {
    engine.dispose();
  }
}

function alone(of: CausalLm, each: GenerationRequest, options: EngineOptions = {}): number[] {
  return withEngine(
    of,
    { prefixCache: false, ...options },
    (engine) => run(engine, { a: each }).a?.ids ?? [],
  );
}

const folders = ['spark', 'telechat-12b', 'telechat-52b', 'xverse'] as const;

describe.each(folders)('%s', (folder) => {
  describe.each(['float32', 'bfloat16'] as const)('in %s', (dtype) => {
    test('the same ids alone, among 7, among 44, in pieces, and with the prompt out of the prefix cache', () => {
      const of = model(folder, dtype);
      const ours = request(1, 40);
      const expected = alone(of, ours);
      expect(new Set(expected).size, 'the text moves').toBeGreaterThan(3);
      for (const others of [6, 43])
        withEngine(of, { cacheTokens: 16384 }, (engine) => {
          const crowd = Object.fromEntries(
            Array.from({ length: others }, (_, index) => [
              `o${index}`,
              request(index + 2, 5 + ((index * 13) % 35)),
            ]),
          );
          expect(run(engine, { ...crowd, ours }).ours?.ids, `among ${others + 1}`).toEqual(expected);
        });
      expect(alone(of, ours, { maxBatchTokens: 7 }), 'prompt in pieces of 7').toEqual(expected);
      withEngine(of, {}, (engine) => {
        run(engine, { first: { ...ours, maxNewTokens: 1 } });
        const again = run(engine, { again: ours }).again;
        expect(again?.ids, 'cached prefix').toEqual(expected);
        expect(again?.events.at(-1)?.end?.cachedTokens).toBe(32);
      });
    });
  });

  test('a pool too small for all: texts give way and come back with the same ids', () => {
    const of = model(folder);
    const requests = Object.fromEntries(
      Array.from({ length: 6 }, (_, index) => [
        `r${index}`,
        request(index, 20 + index, { maxNewTokens: 38 }),
      ]),
    );
    const expected = Object.fromEntries(Object.entries(requests).map(([id, each]) => [id, alone(of, each)]));
    // Room for two and a half of them; Spark's window of 8 needs less.
    const cacheTokens = folder === 'spark' ? 64 : 160;
    withEngine(of, { cacheTokens, maxBatchTokens: 16 }, (engine) => {
      const outcomes = run(engine, requests);
      expect(Object.fromEntries(Object.entries(outcomes).map(([id, { ids }]) => [id, ids]))).toEqual(
        expected,
      );
      const { preemptions, freeBlocks, blocks } = engine.stats;
      // With its window it waits for room; the random workloads preempt it.
      if (folder !== 'spark') expect(preemptions).toBeGreaterThan(0);
      expect(freeBlocks).toBe(blocks);
    });
  });

  test('drafts change nothing but the number of steps', () => {
    const of = model(folder);
    const repetitive = Array.from({ length: 24 }, (_, index) => [7, 8, 9, 10][index % 4] ?? 7);
    for (const sampling of [{}, { temperature: 0.3, seed: 5 }]) {
      const ours: GenerationRequest = { promptIds: repetitive, maxNewTokens: 40, sampling };
      const expected = alone(of, ours);
      withEngine(of, { maxDrafts: 5 }, (engine) => {
        expect(run(engine, { ours }).ours?.ids).toEqual(expected);
        const { steps, acceptedDraftTokens, generatedTokens } = engine.stats;
        expect(generatedTokens).toBe(40);
        expect(steps).toBe(40 - acceptedDraftTokens);
      });
    }
  });
});

describe('beams as transformers has them', () => {
  interface GoldenBeams {
    prompt_ids: number[][];
    attention_mask: number[][];
    max_new_tokens: number;
    length_penalty: number;
    eos_token_id: number | null;
    pad_token_id: number;
    sequences?: number[][];
    sequences_scores?: number[];
    early_stopping?: Record<string, { sequences: number[][]; sequences_scores: number[] }>;
  }
  const { generation } = goldenJson<{ generation: { beam4: GoldenBeams; beam4_no_eos: GoldenBeams } }>(
    'xverse/expected.json',
  );
  const { early_stopping: byStopping = {} } = generation.beam4;
  const cases = [
    ...Object.entries(byStopping).map(([key, expected]) => ({
      name: key,
      golden: generation.beam4,
      expected,
    })),
    {
      name: 'False',
      golden: generation.beam4_no_eos,
      expected: {
        sequences: generation.beam4_no_eos.sequences ?? [],
        sequences_scores: generation.beam4_no_eos.sequences_scores ?? [],
      },
    },
  ];

  test.each([
    ...cases.map((each) => ({ ...each, cacheTokens: 2048 })),
    // So few blocks that the two searches take turns.
    ...cases.map((each) => ({ ...each, cacheTokens: 192 })),
  ])(
    'early stopping $name, eos $golden.eos_token_id, $cacheTokens tokens',
    ({ name, golden, expected, cacheTokens }) =>
      withEngine(model('xverse'), { cacheTokens }, (engine) => {
        const earlyStopping = { True: true, False: false, never: 'never' as const }[name];
        const requests = golden.prompt_ids.map(
          (promptIds, row): GenerationRequest => ({
            promptIds,
            attentionMask: golden.attention_mask[row],
            maxNewTokens: golden.max_new_tokens,
            stopTokenIds: golden.eos_token_id === null ? [] : [golden.eos_token_id],
            beams: { count: 4, lengthPenalty: golden.length_penalty, earlyStopping },
          }),
        );
        const outcomes = run(engine, Object.fromEntries(requests.map((each, row) => [String(row), each])));
        const beams = requests.flatMap((_, row) => outcomes[row]?.events.at(-1)?.beams ?? []);
        const length = golden.prompt_ids[0]?.length ?? 0;
        const expectedIds = expected.sequences.map((row) => withoutPadding(row.slice(length), golden));
        expect(beams.map(({ ids }) => [...ids])).toEqual(expectedIds);
        for (const [rank, score] of expected.sequences_scores.entries())
          expect(Math.abs((beams[rank]?.score ?? 0) - score)).toBeLessThan(1e-4);
        expect(outcomes['0']?.events.at(-1)?.end?.decodeMs, 'time from the first token on').toBeGreaterThan(
          0,
        );
        expect(engine.stats.freeBlocks).toBe(engine.stats.blocks);
      }),
  );

  /** Short choices are filled up behind their end token. */
  function withoutPadding(ids: readonly number[], golden: GoldenBeams): number[] {
    const end = golden.eos_token_id === null ? -1 : ids.indexOf(golden.eos_token_id);
    return end < 0 ? [...ids] : ids.slice(0, end + 1);
  }
});

describe('requests', () => {
  test('a cancelled request ends within the step, and its blocks are back', () => {
    withEngine(model('xverse'), {}, (engine) => {
      engine.submit('a', request(1, 20, { maxNewTokens: 500 }));
      engine.submit('b', request(2, 20, { maxNewTokens: 8 }));
      engine.submit('c', request(3, 20));
      for (let step = 0; step < 4; step++) engine.step();
      engine.cancel('a');
      engine.cancel('c');
      expect(engine.stats).toMatchObject({ running: 1, waiting: 0 });
      const left = engine.step().map(({ id }) => id);
      expect(left).toEqual(['b']);
      while (engine.hasWork) engine.step();
      expect(engine.stats.freeBlocks).toBe(engine.stats.blocks);
    });
  });

  test('a paused request waits and the others go on', () => {
    const of = model('xverse');
    const expected = alone(of, request(1, 20));
    withEngine(of, {}, (engine) => {
      engine.submit('a', request(1, 20));
      engine.submit('b', request(2, 20));
      const ids: number[] = engine.step().flatMap((event) => (event.id === 'a' ? event.ids : []));
      engine.pause('a');
      while (engine.hasWork) for (const { id } of engine.step()) expect(id).toBe('b');
      engine.resume('a');
      while (engine.hasWork) for (const event of engine.step()) ids.push(...event.ids);
      expect(ids).toEqual(expected);
    });
  });

  test('prompts with one beginning: the first computes it, the others wait for that and find it', () => {
    withEngine(model('xverse'), { maxBatchTokens: 64 }, (engine) => {
      const shared = prompt(9, 160);
      const requests = Object.fromEntries(
        Array.from({ length: 10 }, (_, index) => [
          `r${index}`,
          { promptIds: [...shared, 10 + index, 11], maxNewTokens: 4 } satisfies GenerationRequest,
        ]),
      );
      run(engine, requests);
      // 162 tokens once, 2 of each of the other nine.
      expect(engine.stats.promptTokens).toBe(162 + 9 * 2);
      expect(engine.stats.prefixCacheHits).toBe(9 * 160);
    });
  });

  test('another salt finds nothing', () => {
    withEngine(model('xverse'), {}, (engine) => {
      run(engine, { a: request(1, 40, { cacheSalt: 'one' }) });
      const other = run(engine, { b: request(1, 40, { cacheSalt: 'two' }) });
      expect(other.b?.events.at(-1)?.end?.cachedTokens).toBe(0);
    });
  });

  test("Spark's window is a ring: a long text holds no more blocks than its window and a step need", () => {
    const of = model('spark');
    withEngine(of, { cacheTokens: 64, maxBatchTokens: 16, prefixCache: false }, (engine) => {
      engine.submit('a', { promptIds: prompt(1, 28), maxNewTokens: 36 });
      let most = 0;
      while (engine.hasWork) {
        engine.step();
        most = Math.max(most, engine.stats.blocks - engine.stats.freeBlocks);
      }
      expect(most).toBeLessThanOrEqual(3);
    });
  });

  test('a cached window serves a later prompt although its beginning is gone', () => {
    const of = model('spark');
    const ours = request(4, 40);
    const expected = alone(of, ours);
    withEngine(of, { cacheTokens: 64, maxBatchTokens: 16 }, (engine) => {
      run(engine, { first: { ...ours, maxNewTokens: 1 } });
      const { again } = run(engine, { again: ours });
      expect(again?.ids).toEqual(expected);
      expect(again?.events.at(-1)?.end?.cachedTokens).toBe(32);
    });
  });

  test.each(
    folders.flatMap((folder) => (['float32', 'bfloat16'] as const).map((dtype) => ({ folder, dtype }))),
  )(
    'log-probabilities of prompt and answer are as exact as those of a plain forward pass: $folder, $dtype',
    ({ folder, dtype }) => {
      const of = model(folder, dtype);
      withEngine(of, { maxBatchTokens: 10 }, (engine) => {
        const ours: GenerationRequest = {
          promptIds: prompt(3, 33),
          maxNewTokens: 5,
          logProbs: 2,
          promptLogProbs: 2,
        };
        const { a } = run(engine, { a: ours });
        const ids = [...ours.promptIds, ...(a?.ids ?? [])];
        const plain = (by: CausalLm): number[] =>
          scope(() =>
            noGrad(() =>
              plainLogProbs(by, ids.slice(0, -1)).map((row, index) => row[ids[index + 1] ?? 0] ?? 0),
            ),
          );
        const exact = plain(model(folder, 'float64'));
        const worst = (values: readonly number[]): number =>
          Math.max(...values.map((value, index) => Math.abs(value - (exact[index] ?? 0))));
        const prompts = a?.events.find((event) => event.promptLogProbs !== undefined)?.promptLogProbs ?? [];
        expect(prompts[0]).toBeNull();
        const found = [
          ...prompts.slice(1).map((each) => each?.chosen.logProb ?? Number.NaN),
          ...(a?.events.flatMap((event) => event.logProbs ?? []).map(({ chosen }) => chosen.logProb) ?? []),
        ];
        expect(found.length).toBe(exact.length);
        // Rounding errors of two ways to the same numbers: alike in size, never the same.
        expect(worst(found)).toBeLessThanOrEqual(2 * worst(plain(of)) + 1e-6);
        for (const each of prompts.slice(1)) expect(each?.top.length).toBe(2);
      });
    },
  );

  test('int8 keys and values: half the memory of bfloat16, logits within a few per cent', () => {
    const of = model('xverse');
    const logProbs = (kvDType: 'int8' | undefined): number[] =>
      withEngine(of, { kvDType, maxBatchTokens: 8 }, (engine) => {
        const { a } = run(engine, { a: { promptIds: prompt(3, 60), maxNewTokens: 1, promptLogProbs: 0 } });
        return (
          a?.events.flatMap((event) => event.promptLogProbs ?? []).map((each) => each?.chosen.logProb ?? 0) ??
          []
        );
      });
    const [exact, rounded] = [logProbs(undefined), logProbs('int8')];
    const worst = Math.max(...exact.map((value, index) => Math.abs(value - (rounded[index] ?? 0))));
    expect(worst).toBeGreaterThan(0);
    // Log-probabilities of about -5; one part in 127 of each key and value.
    expect(worst).toBeLessThan(0.2);
  });

  test('refusals name what is wrong', () => {
    withEngine(model('xverse'), { cacheTokens: 64 }, (engine) => {
      expect(() => engine.submit('a', request(1, 60))).toThrow(
        '60 prompt tokens and 24 new ones are more than the 64',
      );
      expect(() => engine.submit('a', request(1, 5, { adapter: 'x' }))).toThrow(
        'no adapter "x"; loaded: none',
      );
      expect(() => engine.submit('a', { promptIds: [], maxNewTokens: 1 })).toThrow('the prompt is empty');
      expect(() => engine.submit('a', { promptIds: [1e9], maxNewTokens: 1 })).toThrow(
        'outside the vocabulary',
      );
      expect(engine.hasWork).toBe(false);
    });
  });
});

function plainLogProbs(of: CausalLm, ids: readonly number[]): Float32Array[] {
  const logits = of.forward(tensorOf(ids)).select(0, 0).logSoftmax(-1, 'float32').toFloat32Array();
  const width = logits.length / ids.length;
  return ids.map((_, row) => logits.subarray(row * width, (row + 1) * width));
}

function tensorOf(ids: readonly number[]): Tensor {
  return intTensor(ids, [1, ids.length]);
}
