/** From battles to a table of models: shares of wins, Bradley-Terry, Elo, each with an interval by resampling dialogues. */
import { Random } from '../../../generation/index.js';
import type { Battle } from './battle.js';
import { fitBradleyTerry } from './bradley-terry.js';
import { eloRatings } from './elo.js';

export interface Interval {
  readonly score: number | null;
  /** 95 %, by percentiles of the resamples. */
  readonly confidence_interval: readonly [number, number] | null;
}

export interface RankedModel {
  readonly model: string;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Wins and half of the ties, of all its battles. */
  readonly win_rate: Interval;
  readonly bradley_terry: Interval;
  /** The median over drawn orders. */
  readonly elo: Interval;
}

export interface RankOptions {
  /** Resamples. Default 1000. */
  readonly rounds?: number | undefined;
  readonly seed?: number | undefined;
}

export interface Ranking {
  /** The best first. */
  readonly models: readonly RankedModel[];
  /** Some model won or lost all: see `BradleyTerry.isRegularised`. */
  readonly isRegularised: boolean;
}

export function rankModels(
  names: readonly string[],
  battles: readonly Battle[],
  { rounds = 1000, seed = 0 }: RankOptions = {},
): Ranking {
  const count = names.length;
  const { ratings, isRegularised } = fitBradleyTerry(count, battles);
  const resamples = resample(battles, rounds, seed).map((drawn) => ({
    terry: fitBradleyTerry(count, drawn, 1e-7).ratings,
    elo: eloRatings(count, drawn),
    rates: names.map((_, model) => winRate(drawn, model)),
  }));
  const models = names.map((model, place): RankedModel => {
    const own = battles.filter(({ one, other }) => one === place || other === place);
    const scores = own.map((battle) => scoreOf(battle, place));
    const elos = own.length === 0 ? [] : resamples.map(({ elo }) => elo[place]);
    return {
      model,
      wins: scores.filter((score) => score === 1).length,
      ties: scores.filter((score) => score === 0.5).length,
      losses: scores.filter((score) => score === 0).length,
      win_rate: {
        score: winRate(battles, place) ?? null,
        confidence_interval: interval(resamples.map(({ rates }) => rates[place])),
      },
      bradley_terry: {
        score: ratings[place] ?? null,
        confidence_interval: interval(resamples.map(({ terry }) => terry[place])),
      },
      elo: { score: percentile(elos, 0.5), confidence_interval: interval(elos) },
    };
  });
  return { models: models.sort(byStrength), isRegularised };
}

/** Names settle what ratings leave open, so that equal battles give equal tables. */
function byStrength(one: RankedModel, other: RankedModel): number {
  const gap = (other.bradley_terry.score ?? -1e9) - (one.bradley_terry.score ?? -1e9);
  return Math.abs(gap) > 1e-6 ? gap : one.model < other.model ? -1 : 1;
}

function scoreOf({ one, score }: Battle, model: number): number {
  return one === model ? score : 1 - score;
}

function winRate(battles: readonly Battle[], model: number): number | undefined {
  const own = battles.filter(({ one, other }) => one === model || other === model);
  if (own.length === 0) return undefined;
  return own.reduce((sum, battle) => sum + scoreOf(battle, model), 0) / own.length;
}

/** Battles of one dialogue hang together: whole dialogues are drawn, with replacement, in the order of the draw. */
function resample(battles: readonly Battle[], rounds: number, seed: number): Battle[][] {
  const byDialogue = new Map<string, Battle[]>();
  for (const battle of battles) {
    const own = byDialogue.get(battle.id);
    if (own === undefined) byDialogue.set(battle.id, [battle]);
    else own.push(battle);
  }
  const dialogues = [...byDialogue.values()];
  const random = new Random(seed);
  if (dialogues.length === 0) return [];
  return Array.from({ length: rounds }, () =>
    dialogues.flatMap(() => dialogues[Math.floor(random.uniform() * dialogues.length)] ?? []),
  );
}

function interval(values: readonly (number | null | undefined)[]): readonly [number, number] | null {
  const [low, high] = [percentile(values, 0.025), percentile(values, 0.975)];
  return low === null || high === null ? null : [low, high];
}

/** Linear between neighbours, as numpy has it. Null for no values. */
function percentile(values: readonly (number | null | undefined)[], share: number): number | null {
  const sorted = values.filter((value) => typeof value === 'number').sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low === undefined || high === undefined ? null : low + (high - low) * (place - Math.floor(place));
}
