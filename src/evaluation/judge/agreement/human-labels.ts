/** Labels that people gave, held against a judge's verdicts. */
import { InputError } from '../../../errors/index.js';
import { readJsonLines } from '../../../formats/index.js';
import { fieldOf } from '../../../json/index.js';
import type { Comparison } from '../pairwise/compare-answers.js';
import { cohenKappa, spearman } from './agreement.js';

/** A person's score of one answer; several of one id are averaged. */
export interface HumanScore {
  readonly id: string;
  readonly score: number;
}

/** A person's preference between two models' answers. */
export interface HumanWinner {
  readonly id: string;
  readonly models: readonly [string, string];
  /** A name of the two, or "tie". */
  readonly winner: string;
}

export interface AgreementReport {
  /** What both judged. */
  readonly n: number;
  /** Labels of which there is no verdict. */
  readonly unmatched: number;
  /** Share of equal verdicts: the same band of points, the same winner. */
  readonly accuracy: number | null;
  /** Null where nothing varies. */
  readonly kappa: number | null;
  readonly kappa_linear?: number | null;
  readonly kappa_quadratic?: number | null;
  readonly spearman?: number | null;
  readonly mean_judge?: number | null;
  readonly mean_human?: number | null;
}

/** Lower ends of the bands of our rubric; kappa counts bands. */
export const BANDS = [20, 40, 60, 75, 90] as const;

/** @throws InputError for a line of another form */
export function readHumanScores(path: string): HumanScore[] {
  const labels = [...readJsonLines(path)].map(({ line, value }): HumanScore => {
    const [id, score] = [fieldOf(value, 'id'), fieldOf(value, 'score')];
    if (typeof id === 'string' && typeof score === 'number' && score >= 0 && score <= 100)
      return { id, score };
    throw new InputError(
      `${path}:${line}: a label of one run is {"id": "logic/0", "score": 0 to 100}, found ${JSON.stringify(value)?.slice(0, 200)}.`,
    );
  });
  if (labels.length === 0) throw new InputError(`${path} holds no label.`);
  return labels;
}

/** @throws InputError for a line of another form */
export function readHumanWinners(path: string): HumanWinner[] {
  const labels = [...readJsonLines(path)].map(({ line, value }): HumanWinner => {
    const [id, models, winner] = [fieldOf(value, 'id'), fieldOf(value, 'models'), fieldOf(value, 'winner')];
    if (
      typeof id === 'string' &&
      typeof winner === 'string' &&
      Array.isArray(models) &&
      models.length === 2
    ) {
      const [one, other]: readonly unknown[] = models;
      if (typeof one === 'string' && typeof other === 'string' && ['tie', one, other].includes(winner))
        return { id, models: [one, other], winner };
    }
    throw new InputError(
      `${path}:${line}: a label of two runs is {"id": "logic/0", "models": ["one", "other"], "winner": "one", "other" or "tie"}, found ${JSON.stringify(value)?.slice(0, 200)}.`,
    );
  });
  if (labels.length === 0) throw new InputError(`${path} holds no label.`);
  return labels;
}

/** @param scores of the judge by id */
export function agreementOfScores(
  scores: ReadonlyMap<string, number>,
  labels: readonly HumanScore[],
): AgreementReport {
  const people = new Map<string, number[]>();
  for (const { id, score } of labels) people.set(id, [...(people.get(id) ?? []), score]);
  const judge: number[] = [];
  const human: number[] = [];
  for (const [id, given] of people) {
    const score = scores.get(id);
    if (score === undefined) continue;
    judge.push(score);
    human.push(given.reduce((sum, value) => sum + value, 0) / given.length);
  }
  const [ours, theirs] = [judge.map(bandOf), human.map(bandOf)];
  const kappa = (weights: 'none' | 'linear' | 'quadratic'): number | null =>
    cohenKappa(ours, theirs, BANDS.length + 1, weights) ?? null;
  return {
    n: judge.length,
    unmatched: people.size - judge.length,
    accuracy: shareOfEqual(ours, theirs),
    kappa: kappa('none'),
    kappa_linear: kappa('linear'),
    kappa_quadratic: kappa('quadratic'),
    spearman: spearman(judge, human) ?? null,
    mean_judge: meanOf(judge),
    mean_human: meanOf(human),
  };
}

/** Winners have no order but for the tie in the middle: kappa without weights. */
export function agreementOfWinners(
  names: readonly string[],
  comparisons: readonly Comparison[],
  labels: readonly HumanWinner[],
): AgreementReport {
  const verdicts = new Map<string, number>();
  for (const { id, one, other, winner } of comparisons)
    if (winner !== undefined) verdicts.set(`${one} ${other} ${id}`, CATEGORY[winner]);
  const judge: number[] = [];
  const human: number[] = [];
  for (const { id, models, winner } of labels) {
    const [first, second] = models.map((name) => names.indexOf(name)).sort((a, b) => a - b);
    const verdict = verdicts.get(`${first} ${second} ${id}`);
    if (verdict === undefined) continue;
    judge.push(verdict);
    human.push(winner === 'tie' ? CATEGORY.tie : CATEGORY[winner === names[first ?? 0] ? 'one' : 'other']);
  }
  return {
    n: judge.length,
    unmatched: labels.length - judge.length,
    accuracy: shareOfEqual(judge, human),
    kappa: cohenKappa(judge, human, 3) ?? null,
  };
}

const CATEGORY = { one: 0, tie: 1, other: 2 } as const;

function bandOf(score: number): number {
  return BANDS.filter((low) => score >= low).length;
}

function shareOfEqual(one: readonly number[], other: readonly number[]): number | null {
  return one.length === 0 ? null : one.filter((value, place) => value === other[place]).length / one.length;
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
