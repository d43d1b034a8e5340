/** What the models' publishers say of them, in percent; shown beside a run's own numbers, never among them. */

export const PUBLISHED_MODELS = [
  'Spark-13B base',
  'Spark-13B chat',
  'TeleChat-52B chat',
  'XVERSE-13B',
  'XVERSE-13B chat',
] as const;

type Scores = readonly (number | undefined)[];

const none = undefined;

const PUBLISHED: Readonly<Record<string, Scores>> = {
  ceval: [70.88, 82.54, none, 54.7, 53.1],
  mmlu: [58.76, 63.02, 76.6, 55.1, 60.2],
  cmmlu: [70.01, 75.69, 73.79],
  agieval: [50.44, 56.96, 61.1, 41.4, 48.3],
  'arc-easy': [84.78, 89.47],
  'arc-challenge': [71.16, 77.34],
  'gaokao-bench': [56.42, 67.49, none, 53.9, 50.7],
  'gaokao-english': [none, none, none, 66.5, 80.6],
  financeiq: [60.21, 65.48],
  gsm8k: [none, none, 63.5],
  math: [none, none, 13.5],
  humaneval: [none, none, 36.6],
  bbh: [none, none, 60.3],
  hellaswag: [none, none, 86.3],
  // On a private set by an unnamed judge: no run's own number compares with it.
  dialogue: [none, none, 83.8],
};

/** One for each of PUBLISHED_MODELS; undefined where nothing was published. */
export function publishedScores(task: string): readonly (number | undefined)[] {
  const scores = PUBLISHED[task] ?? [];
  return PUBLISHED_MODELS.map((_, place) => scores[place]);
}
