/**
 * Bradley and Terry's model of paired comparisons: model i beats j with probability p_i / (p_i + p_j); a tie is half a win for
 * each. Fitted by maximum likelihood with Hunter's iteration ("MM algorithms for generalized Bradley-Terry models", 2004).
 */
import type { Battle } from './battle.js';

export interface BradleyTerry {
  /** On the scale of Elo (400 points are odds of ten to one), with mean 1000; null where nothing ties a model to the first. */
  readonly ratings: readonly (number | null)[];
  /** A model won or lost all: its likelihood has no greatest place, and one tie was added to each pair that met. */
  readonly isRegularised: boolean;
}

const SCALE = 400 / Math.LN10;
const CENTRE = 1000;
const MOST_ROUNDS = 20_000;

/** @param tolerance of the logarithms of strengths between two rounds. Default 1e-11 */
export function fitBradleyTerry(models: number, battles: readonly Battle[], tolerance = 1e-11): BradleyTerry {
  const wins = winMatrix(models, battles);
  const start = wins.findIndex((row, place) => row.some((_, other) => met(wins, place, other)));
  const group = reachable(models, start, (from, to) => met(wins, from, to));
  const isRegularised = !isStronglyConnected(wins, group);
  if (isRegularised)
    for (const one of group)
      for (const other of group) if (one !== other && met(wins, one, other)) addTo(wins, one, other, 0.5);
  const logs = iterate(wins, group, tolerance);
  const mean = logs.reduce((sum, value) => sum + value, 0) / Math.max(group.length, 1);
  const ratings = Array.from({ length: models }, (_, model): number | null => {
    const place = group.indexOf(model);
    return place < 0 ? null : CENTRE + SCALE * ((logs[place] ?? 0) - mean);
  });
  return { ratings, isRegularised };
}

/** wins[i][j]: how often i beat j. */
function winMatrix(models: number, battles: readonly Battle[]): number[][] {
  const wins = Array.from({ length: models }, () => new Array<number>(models).fill(0));
  for (const { one, other, score } of battles) {
    addTo(wins, one, other, score);
    addTo(wins, other, one, 1 - score);
  }
  return wins;
}

function addTo(wins: number[][], from: number, to: number, amount: number): void {
  const row = wins[from];
  if (row !== undefined) row[to] = (row[to] ?? 0) + amount;
}

function at(wins: readonly (readonly number[])[], from: number, to: number): number {
  return wins[from]?.[to] ?? 0;
}

function met(wins: readonly (readonly number[])[], one: number, other: number): boolean {
  return at(wins, one, other) + at(wins, other, one) > 0;
}

/** In rising order. */
function reachable(models: number, start: number, isEdge: (from: number, to: number) => boolean): number[] {
  if (start < 0) return [];
  const found = new Set([start]);
  for (const from of found)
    for (let to = 0; to < models; to++) if (!found.has(to) && isEdge(from, to)) found.add(to);
  return [...found].sort((a, b) => a - b);
}

/** Ford's condition for a maximum: no split of the models has one side that beat the other always. */
function isStronglyConnected(wins: readonly (readonly number[])[], group: readonly number[]): boolean {
  const [start = -1] = group;
  const above = reachable(wins.length, start, (from, to) => at(wins, from, to) > 0);
  const below = reachable(wins.length, start, (from, to) => at(wins, to, from) > 0);
  return above.length === group.length && below.length === group.length;
}

/** Logarithms of the strengths. */
function iterate(
  wins: readonly (readonly number[])[],
  group: readonly number[],
  tolerance: number,
): number[] {
  let strengths = group.map(() => 1);
  const won = group.map((one) => group.reduce((sum, other) => sum + at(wins, one, other), 0));
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = group.map((one, place) => {
      const divisor = group.reduce((sum, other, there) => {
        const games = at(wins, one, other) + at(wins, other, one);
        return games === 0 ? sum : sum + games / ((strengths[place] ?? 1) + (strengths[there] ?? 1));
      }, 0);
      return divisor === 0 ? 1 : (won[place] ?? 0) / divisor;
    });
    const mean = Math.exp(next.reduce((sum, value) => sum + Math.log(value), 0) / Math.max(next.length, 1));
    const scaled = next.map((value) => value / mean);
    const change = Math.max(
      0,
      ...scaled.map((value, place) => Math.abs(Math.log(value / (strengths[place] ?? 1)))),
    );
    strengths = scaled;
    if (change < tolerance) break;
  }
  return strengths.map((value) => Math.log(value));
}
