import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenJson } from '../../tests/support/golden.js';
import { type CausalLm, loadModel } from '../models/index.js';
import { intTensor, noGrad, scope } from '../tensor/index.js';
import { BeamSearch, type BeamSearchOptions } from './beam-search.js';
import { tokenLogProbs } from './log-probs.js';

interface GoldenSequences {
  sequences: number[][];
  sequences_scores: number[];
}

interface GoldenBeams {
  prompt_ids: number[][];
  attention_mask: number[][];
  num_beams: number;
  max_new_tokens: number;
  length_penalty: number;
  eos_token_id: number | null;
}

const { generation } = goldenJson<{
  generation: {
    beam4: GoldenBeams & { early_stopping: Record<'True' | 'False' | 'never', GoldenSequences> };
    beam4_no_eos: GoldenBeams & GoldenSequences;
  };
}>('xverse/expected.json');

/** Logits behind each of the sequences of one prompt, by plain forward passes without a cache. */
function lastLogits(model: CausalLm, sequences: readonly (readonly number[])[], mask: readonly number[]) {
  const length = sequences[0]?.length ?? 0;
  const seen = [...mask, ...new Array<number>(length - mask.length).fill(1)];
  const shape = [sequences.length, length];
  return noGrad(() =>
    scope(() => {
      const attentionMask = intTensor(
        sequences.flatMap(() => seen),
        shape,
      );
      const logits = model.forward(intTensor(sequences.flat(), shape), { attentionMask, lastPositions: 1 });
      const values = logits.toFloat32Array();
      const width = logits.size(2);
      return sequences.map((_, row) => values.subarray(row * width, (row + 1) * width));
    }),
  );
}

/** The choices for one prompt. */
function search(
  model: CausalLm,
  promptIds: readonly number[],
  mask: readonly number[],
  options: BeamSearchOptions,
) {
  const beams = new BeamSearch(options);
  let sequences: (readonly number[])[] = [promptIds];
  while (!beams.isFinished) {
    const next = beams.advance(lastLogits(model, sequences, mask));
    sequences = next.map(({ parent, id }, beam) => {
      const sequence = [...(sequences[parent] ?? []), id];
      expect(beams.generatedIds(beam)).toEqual(sequence.slice(promptIds.length));
      return sequence;
    });
  }
  return beams.finish();
}

describe("transformers' beams of the golden model", () => {
  const { model } = loadModel(`${goldenFolder}xverse`);
  const { beam4, beam4_no_eos: withoutEnd } = generation;
  test.each([
    ['early stopping', beam4, { earlyStopping: true }, beam4.early_stopping.True],
    ['no early stopping', beam4, { earlyStopping: false }, beam4.early_stopping.False],
    ['never', beam4, { earlyStopping: 'never' }, beam4.early_stopping.never],
    ['without an end', withoutEnd, {}, withoutEnd],
  ] as const)('%s', (_, golden, { ...stopping }, expected) => {
    const count = golden.num_beams;
    for (const [row, promptIds] of golden.prompt_ids.entries()) {
      const choices = search(model, promptIds, golden.attention_mask[row] ?? [], {
        count,
        lengthPenalty: golden.length_penalty,
        stopTokenIds: golden.eos_token_id === null ? [] : [golden.eos_token_id],
        maxNewTokens: golden.max_new_tokens,
        ...stopping,
      });
      expect(choices.length).toBe(count);
      for (const [rank, { ids, score, finishReason }] of choices.entries()) {
        const sequence = expected.sequences[row * count + rank] ?? [];
        expect(sequence.slice(0, promptIds.length + ids.length)).toEqual([...promptIds, ...ids]);
        expect(finishReason).toBe(ids.at(-1) === golden.eos_token_id ? 'stop' : 'length');
        // Behind an ended sequence stands nothing but padding.
        expect(sequence.slice(promptIds.length + ids.length).every((id) => id === 1)).toBe(true);
        // Sums of up to 24 log-probabilities of float32 logits of about 10, divided by their number.
        expect(Math.abs(score - (expected.sequences_scores[row * count + rank] ?? 0))).toBeLessThan(1e-5);
      }
    }
  });
});

/** Logits that depend on the last token alone. */
const tables = fc.integer({ min: 2, max: 6 }).chain((size) =>
  fc.array(fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: size, maxLength: size }), {
    minLength: size,
    maxLength: size,
  }),
);

function searchTable(table: readonly number[][], options: BeamSearchOptions) {
  const beams = new BeamSearch(options);
  let last = [0];
  while (!beams.isFinished) {
    const rows = last.map((id) => Float64Array.from(table[id] ?? []));
    last = beams.advance(rows).map(({ id }) => id);
  }
  return beams.finish();
}

test('with as many beams as there are sequences, the choices are the most probable of all', () => {
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 3 }), (table, maxNewTokens) => {
      const all: { ids: number[]; score: number }[] = [];
      const visit = (ids: number[], score: number): void => {
        if (ids.length === maxNewTokens) {
          all.push({ ids, score: score / maxNewTokens });
          return;
        }
        const row = Float64Array.from(table[ids.at(-1) ?? 0] ?? []);
        for (const id of row.keys()) visit([...ids, id], score + tokenLogProbs(row, id).chosen.logProb);
      };
      visit([], 0);
      all.sort((a, b) => b.score - a.score);
      const choices = searchTable(table, { count: all.length, maxNewTokens });
      expect(choices.length).toBe(all.length);
      for (const [rank, choice] of choices.entries()) {
        expect(choice.score).toBeCloseTo(all[rank]?.score ?? NaN, 9);
        const same = all.find(({ ids }) => ids.join() === choice.ids.join());
        expect(same?.score).toBeCloseTo(choice.score, 9);
      }
    }),
    { numRuns: 50 },
  );
});

test('rows are changed as asked, and not in place', () => {
  const beams = new BeamSearch({ count: 2, maxNewTokens: 3 });
  const row = Float32Array.of(0, 1, 2, 3);
  const seen: (readonly number[])[] = [];
  const forbidThree = (logProbs: Float32Array | Float64Array, beam: number): void => {
    seen.push(beams.generatedIds(beam));
    logProbs[3] = -Infinity;
  };
  expect(beams.advance([row], forbidThree)).toEqual([
    { parent: 0, id: 2 },
    { parent: 0, id: 1 },
  ]);
  expect(row[3]).toBe(3);
  beams.advance([row, row], forbidThree);
  expect(seen).toEqual([[], [2], [1]]);
  expect(beams.advance([row, row], forbidThree)).toEqual([]);
  // log softmax at 2 of the whole row, three times, over three.
  expect(beams.finish()[0]).toEqual({
    ids: [2, 2, 2],
    score: expect.closeTo(2 - Math.log(1 + Math.E + Math.E ** 2 + Math.E ** 3), 9),
    finishReason: 'length',
  });
});

test('fewer beams where fewer tokens are possible; no choice where none is', () => {
  const only =
    (...ids: number[]) =>
    (row: Float32Array | Float64Array) => {
      for (const id of row.keys()) if (!ids.includes(id)) row[id] = -Infinity;
    };
  const row = Float32Array.of(0, 1, 2, 3);
  const beams = new BeamSearch({ count: 3, maxNewTokens: 9, stopTokenIds: [3] });
  expect(beams.advance([row], only(1))).toEqual([{ parent: 0, id: 1 }]);
  expect(beams.advance([row], only(1, 2)).length).toBe(2);
  expect(beams.advance([row, row], only(3))).toEqual([]);
  expect(beams.finish().map(({ ids, finishReason }) => [ids, finishReason])).toEqual([
    [[1, 2, 3], 'stop'],
    [[1, 1, 3], 'stop'],
  ]);
  const dead = new BeamSearch({ count: 3, maxNewTokens: 9 });
  expect(dead.advance([row], only())).toEqual([]);
  expect(dead.finish()).toEqual([]);
});

test('no tokens asked for: one empty choice', () => {
  const beams = new BeamSearch({ count: 3, maxNewTokens: 0 });
  expect(beams.isFinished).toBe(true);
  expect(beams.finish()).toEqual([{ ids: [], score: 0, finishReason: 'length' }]);
});

test('refuses what is out of range', () => {
  const make = (options: Partial<BeamSearchOptions>) => () =>
    new BeamSearch({ count: 2, maxNewTokens: 4, ...options });
  expect(make({ count: 0 })).toThrow('count is 0; give a whole number from 1');
  expect(make({ count: 1.5 })).toThrow('count is 1.5');
  expect(make({ lengthPenalty: Number.NaN })).toThrow('lengthPenalty is NaN');
  expect(make({ maxNewTokens: -1 })).toThrow('maxNewTokens is -1');
  expect(() => make({})().advance([])).toThrow('0 rows of logits for 1 beams');
  expect(() => make({})().finish()).toThrow('not finished');
  expect(() => make({})().advance([Float32Array.of(NaN, 1)])).toThrow('NaN');
});
