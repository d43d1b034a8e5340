/** Texts that grow past the length where their rotation changes: alone, together, after giving way, with a prefix cache. */
import { describe, expect, test } from 'vitest';
import { casesOf } from '../../../tests/support/long-suite.js';
import { initialised, inScope, PagedForward, tinyTelechat } from '../../../tests/support/paged-forward.js';
import { type CausalLm, parseArchitecture } from '../../models/index.js';
import { intTensor } from '../../tensor/index.js';
import type { GenerationRequest } from '../requests.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';

const tiny52b = {
  model_type: 'telechat',
  vocab_size: 16,
  n_embd: 8,
  n_inner: 8,
  n_layer: 2,
  n_head: 1,
  activation_function: 'silu',
  add_bias_linear: false,
  relative_encoding: 'rotary',
  rotary_use_xpos: false,
  use_RMSNorm: true,
};

function build(config: object): CausalLm {
  return initialised(parseArchitecture(config, 'test').createModel()).to({ dtype: 'float32' });
}

function outcomes(model: CausalLm, requests: readonly GenerationRequest[], options: EngineOptions) {
  const engine = new Engine(model, options);
  const found = requests.map(() => ({ ids: [] as number[], logProbs: [] as number[], cachedTokens: 0 }));
  for (const [index, request] of requests.entries())
    engine.submit(String(index), { logProbs: 0, ...request });
  for (let step = 0; engine.hasWork; step++) {
    expect(step).toBeLessThan(5000);
    for (const { id, ids, logProbs = [], end, error } of engine.step()) {
      if (error !== undefined) throw error;
      const each = found[Number(id)];
      each?.ids.push(...ids);
      each?.logProbs.push(...logProbs.map(({ chosen }) => chosen.logProb));
      if (each !== undefined && end !== undefined) each.cachedTokens = end.cachedTokens;
    }
    engine.verify();
  }
  const { preemptions } = engine.stats;
  engine.dispose();
  return { found, preemptions };
}

const borders = [
  { name: 'TeleChat at 8192', config: { ...tinyTelechat, n_layer: 2, training_seqlen: 8192 }, border: 8192 },
  { name: 'TeleChat-52B at 4096', config: tiny52b, border: 4096 },
];

describe.each(casesOf(borders, ({ border }) => border === 4096))('$name', ({ config, border }) => {
  test('the same ids and log-probabilities, bit for bit', () => {
    const model = build(config);
    const base = Array.from({ length: border }, (_, index) => 1 + (((index + 7) * 7919) % 15));
    // One ends its prompt before the border and grows past it, one begins behind it, one shares the beginning of the first.
    const lengths = [border - 6, border + 3, border - 40];
    const requests = lengths.map(
      (length, seed): GenerationRequest => ({
        promptIds: [...base.slice(0, border - 64), ...base.slice(seed, seed + length - border + 64)],
        maxNewTokens: seed === 2 ? 60 : 24,
        sampling: { temperature: 1, seed },
      }),
    );
    const room = { cacheTokens: 4 * border };
    const expected = requests.map((each) => {
      const [only] = outcomes(model, [each], { ...room, prefixCache: false }).found;
      return { ids: only?.ids, logProbs: only?.logProbs };
    });
    const variants: [string, EngineOptions][] = [
      ['together, with drafts and a prefix cache', { ...room, maxDrafts: 4 }],
      ['in pieces', { ...room, prefixCache: false, maxBatchTokens: 1000 }],
      ['giving way', { cacheTokens: 2 * border + 32, prefixCache: false, maxBatchTokens: 1000 }],
    ];
    for (const [name, options] of variants) {
      const { found, preemptions } = outcomes(model, requests, options);
      if (name === 'giving way') expect(preemptions).toBeGreaterThan(0);
      expect(
        found.map(({ ids, logProbs }) => ({ ids, logProbs })),
        name,
      ).toEqual(expected);
    }
    model.dispose();
  });
});

test('a generated token is turned by its own length, the prompt by that of the whole prompt', () => {
  const model = build({ ...tinyTelechat, n_layer: 2, training_seqlen: 16 });
  const promptIds = Array.from({ length: 20 }, (_, index) => 1 + ((index * 7) % 15));
  // In pieces, so that the length of a piece would show.
  const [ours] = outcomes(model, [{ promptIds, maxNewTokens: 12 }], { maxBatchTokens: 6 }).found;
  const { ids = [], logProbs = [] } = ours ?? {};
  inScope(() => {
    const forward = new PagedForward(model, 1, 40);
    for (const [index, id] of ids.entries()) {
      const input = index === 0 ? promptIds : [ids[index - 1] ?? 0];
      const logits = forward.run(intTensor(input, [1, input.length])); // [1, T, V]
      const row = logits
        .select(1, input.length - 1)
        .logSoftmax(-1)
        .toFloat32Array();
      // The same sums, but for those of linear layers of one row and of many.
      expect(Math.abs((row[id] ?? 0) - (logProbs[index] ?? 0))).toBeLessThan(1e-5);
    }
    forward.dispose();
  });
  model.dispose();
});

test('where each length has a rotation of its own, prompts of one length share their beginning, others nothing', () => {
  const model = build({ ...tinyTelechat, n_layer: 2, training_seqlen: 16 });
  const promptIds = Array.from({ length: 50 }, (_, index) => 1 + (((index + 3) * 7919) % 15));
  const requests = [50, 50, 49, 48].map(
    (length): GenerationRequest => ({
      // Another end: the first 48 tokens are the same.
      promptIds: [...promptIds.slice(0, length - 1), 1 + (length % 3)],
      maxNewTokens: 6,
    }),
  );
  const together = outcomes(model, requests, {}).found;
  expect(together.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 48, 0, 0]);
  for (const [index, request] of requests.entries()) {
    const [alone] = outcomes(model, [request], { prefixCache: false }).found;
    expect(together[index]).toEqual({ ...alone, cachedTokens: together[index]?.cachedTokens });
  }
  model.dispose();
});
