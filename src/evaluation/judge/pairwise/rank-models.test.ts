/** Values computed by scikit-learn (logistic regression without a penalty), choix (ILSR) and evalica; all three agree to 1e-6. */
import { describe, expect, test } from 'vitest';
import { type Battle, type PreferenceReply, settle } from './battle.js';
import { fitBradleyTerry } from './bradley-terry.js';
import { eloRatings } from './elo.js';
import { rankModels } from './rank-models.js';

/** one, other, what one earns, how often */
const GAMES: readonly (readonly [number, number, number, number])[] = [
  [0, 1, 1, 7],
  [0, 1, 0, 3],
  [0, 1, 0.5, 2],
  [0, 2, 1, 5],
  [0, 2, 0, 4],
  [0, 2, 0.5, 3],
  [0, 3, 1, 9],
  [0, 3, 0, 2],
  [1, 2, 1, 4],
  [1, 2, 0, 6],
  [1, 2, 0.5, 1],
  [1, 3, 1, 6],
  [1, 3, 0, 3],
  [1, 3, 0.5, 3],
  [2, 3, 1, 8],
  [2, 3, 0, 2],
  [2, 3, 0.5, 2],
];

const battles: Battle[] = GAMES.flatMap(([one, other, score, count], place) =>
  Array.from({ length: count }, (_, n) => ({ id: `${place}/${n}`, one, other, score })),
);

test('Bradley-Terry: four models with ties', () => {
  const { ratings, isRegularised } = fitBradleyTerry(4, battles);
  const expected = [1099.7123404952679, 975.865544261585, 1056.8083130623154, 867.6138021808318];
  for (const [place, rating] of ratings.entries()) expect(rating).toBeCloseTo(expected[place] ?? 0, 5);
  expect(isRegularised).toBe(false);
});

test('Bradley-Terry of two models has a closed form: the logarithm of the odds', () => {
  const { ratings } = fitBradleyTerry(
    2,
    Array.from({ length: 40 }, (_, n) => ({ id: String(n), one: 0, other: 1, score: n < 30 ? 1 : 0 })),
  );
  expect((ratings[0] ?? 0) - (ratings[1] ?? 0)).toBeCloseTo(400 * Math.log10(3), 8);
});

test('a model that won all is held in bounds and said; one that met nobody has no rating', () => {
  const won = [0, 1, 2].map((n) => ({ id: String(n), one: 0, other: 1, score: 1 }));
  const { ratings, isRegularised } = fitBradleyTerry(3, won);
  expect(isRegularised).toBe(true);
  // 3.5 to 0.5.
  expect((ratings[0] ?? 0) - (ratings[1] ?? 0)).toBeCloseTo(400 * Math.log10(7), 6);
  expect(ratings[2]).toBeNull();
  expect(fitBradleyTerry(2, []).ratings).toEqual([null, null]);
});

test('Elo: battle by battle', () => {
  const expected = [1020.2885316801273, 994.1679255330932, 1012.4282931499437, 973.1152496368358];
  for (const [place, rating] of eloRatings(4, battles).entries())
    expect(rating).toBeCloseTo(expected[place] ?? 0, 9);
});

describe('a table', () => {
  test('the best first, with shares of wins and seeded intervals around the ratings', () => {
    const ranked = rankModels(['a', 'b', 'c', 'd'], battles, { rounds: 200 });
    expect(ranked.models.map(({ model }) => model)).toEqual(['a', 'c', 'b', 'd']);
    expect(ranked.models[0]).toMatchObject({ wins: 21, ties: 5, losses: 9, win_rate: { score: 23.5 / 35 } });
    for (const {
      bradley_terry: { score, confidence_interval: range },
    } of ranked.models) {
      expect(range?.[0]).toBeLessThan(score ?? 0);
      expect(range?.[1]).toBeGreaterThan(score ?? 0);
    }
    expect(rankModels(['a', 'b', 'c', 'd'], battles, { rounds: 200 })).toEqual(ranked);
    expect(rankModels(['a', 'b', 'c', 'd'], battles, { rounds: 200, seed: 1 })).not.toEqual(ranked);
  });

  test('intervals hold the truth about as often as they say', () => {
    let state = 1;
    const uniform = (): number => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state / 2 ** 31;
    };
    let holds = 0;
    for (let run = 0; run < 100; run++) {
      const drawn = Array.from({ length: 100 }, (_, n) => ({
        id: String(n),
        one: 0,
        other: 1,
        score: Number(uniform() < 0.6),
      }));
      const [low, high] = rankModels(['a', 'b'], drawn, { rounds: 200 }).models.find(
        ({ model }) => model === 'a',
      )?.win_rate.confidence_interval ?? [1, 0];
      holds += Number(low <= 0.6 && high >= 0.6);
    }
    expect(holds).toBeGreaterThan(85);
  });
});

test('both orders: what is not consistent is a tie, what lacks a verdict is none', () => {
  const reply = (winner: 'A' | 'B' | 'tie'): PreferenceReply => ({
    kind: 'verdict',
    verdict: { winner, reason: '' },
    texts: [],
  });
  const table = (['A', 'B', 'tie'] as const).map((forward) =>
    (['A', 'B', 'tie'] as const).map((swapped) => settle(reply(forward), reply(swapped))?.winner),
  );
  expect(table).toEqual([
    ['tie', 'one', 'tie'],
    ['other', 'tie', 'tie'],
    ['tie', 'tie', 'tie'],
  ]);
  expect(settle(reply('A'), { kind: 'unusable', reason: 'refusal', texts: [] })).toBeUndefined();
  expect(settle(reply('tie'), reply('A'))?.isConsistent).toBe(false);
});
