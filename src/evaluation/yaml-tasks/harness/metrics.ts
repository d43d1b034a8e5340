/** Metrics of lm-evaluation-harness (metric_list), and how values of samples become one. */
import { didYouMeanHint } from '../../../config/index.js';
import { InputError } from '../../../errors/index.js';
import { type PythonPattern, pythonPattern } from '../../graders/python-pattern.js';
import { characterCount } from '../../graders/python-text.js';
import type { Estimate } from '../../run/statistics.js';
import type { AggregatedGrade } from '../../task.js';
import { FilterArguments } from './filters.js';

export type OutputType = 'multiple_choice' | 'loglikelihood' | 'generate_until';

export interface MetricConfig {
  readonly metric: string;
  readonly aggregation?: string | undefined;
  readonly hf_evaluate?: boolean | undefined;
  readonly [key: string]: unknown;
}

type Aggregation = (grades: readonly AggregatedGrade[]) => Estimate;

/** Metrics by the way of asking, each with what makes one number of many. */
const METRICS: Readonly<Record<OutputType, Readonly<Record<string, string>>>> = {
  multiple_choice: {
    acc: 'mean',
    acc_norm: 'mean',
    acc_bytes: 'mean',
    exact_match: 'mean',
    f1: 'f1',
    mcc: 'matthews_corrcoef',
    brier_score: 'brier_score',
  },
  loglikelihood: { perplexity: 'perplexity', acc: 'mean' },
  generate_until: { exact_match: 'mean' },
};

const DEFAULTS: Readonly<Record<OutputType, readonly string[]>> = {
  multiple_choice: ['acc', 'acc_norm'],
  loglikelihood: ['perplexity', 'acc'],
  generate_until: ['exact_match'],
};

const FOREIGN: Readonly<Record<string, string>> = {
  bleu: 'the package sacrebleu',
  chrf: 'the package sacrebleu',
  'chrf++': 'the package sacrebleu',
  ter: 'the package sacrebleu',
  acc_mutual_info: 'the likelihood of each option without its question',
  acc_all: 'a grade over several rows together',
  bypass: 'a grader of its own',
};

export interface Metric {
  readonly name: string;
  readonly isSame: SameText;
}

/** Does an answer equal a right one? */
export type SameText = (given: string, right: string) => boolean;

/** @throws InputError for metrics, aggregations and options that there are not */
export function metricsOf(configs: readonly MetricConfig[] | null | undefined, output: OutputType): Metric[] {
  const list = configs ?? DEFAULTS[output].map((metric): MetricConfig => ({ metric }));
  return list.map((config) => metricOf(config, output));
}

function metricOf(config: MetricConfig, output: OutputType): Metric {
  const { metric: name, aggregation, higher_is_better: _, hf_evaluate: isFromHub, ...options } = config;
  const known = METRICS[output];
  const usual = Object.hasOwn(known, name) ? known[name] : undefined;
  if (isFromHub === true)
    throw new InputError(`the metric ${name} needs the package evaluate (hf_evaluate).`);
  if (usual === undefined) {
    const need = Object.hasOwn(FOREIGN, name) ? `; it needs ${FOREIGN[name]}` : '';
    throw new InputError(
      `there is no metric "${name}" for output_type ${output}${need}.${didYouMeanHint(name, Object.keys(known))} ` +
        `There are ${Object.keys(known).join(', ')}.`,
    );
  }
  const wanted = aggregation === 'nanmean' ? 'mean' : (aggregation ?? usual);
  if (wanted !== usual)
    throw new InputError(
      `the metric ${name}: there is no aggregation "${aggregation}" of it; it has "${usual}".`,
    );
  return { name, isSame: output === 'generate_until' ? exactMatch(options) : same(options) };
}

const CHOICE_OPTIONS = new Set(['weight_by_size', 'ignore_case', 'ignore_punctuation', 'average']);

/** Metrics of likelihoods take options that change nothing there; others are refused. */
function same(options: Readonly<Record<string, unknown>>): SameText {
  const odd = Object.keys(options).find((key) => !CHOICE_OPTIONS.has(key));
  if (odd !== undefined) throw new InputError(`it takes no "${odd}".${didYouMeanHint(odd, CHOICE_OPTIONS)}`);
  return (given, right) => given === right;
}

const EXACT_OPTIONS = [
  'ignore_case',
  'ignore_punctuation',
  'ignore_numbers',
  'regexes_to_ignore',
  'weight_by_size',
];
/** string.punctuation of Python. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

function exactMatch(options: Readonly<Record<string, unknown>>): SameText {
  const given = new FilterArguments({ function: '', ...options });
  const ignored: readonly PythonPattern[] = given.texts('regexes_to_ignore').map(pythonPattern);
  const ignoresCase = given.flag('ignore_case');
  const ignoresPunctuation = given.flag('ignore_punctuation');
  const ignoresNumbers = given.flag('ignore_numbers');
  given.flag('weight_by_size');
  given.end(EXACT_OPTIONS);
  const plain = (text: string): string => {
    let kept = ignored.reduce((rest, pattern) => pattern.replaceAll(rest, ''), text);
    if (ignoresCase) kept = kept.toLowerCase();
    if (ignoresPunctuation) kept = kept.replace(PUNCTUATION, '');
    return ignoresNumbers ? kept.replace(/[0-9]/g, '') : kept;
  };
  return (answer, right) => plain(answer) === plain(right);
}

/** The aggregations that are no mean, by metric. */
export const AGGREGATIONS: Readonly<Record<string, Aggregation>> = {
  f1: (grades) => counted(grades, f1Score),
  mcc: (grades) => counted(grades, matthews),
  perplexity,
};

function perplexity(grades: readonly AggregatedGrade[]): Estimate {
  const values = grades.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const score = Math.exp(-mean);
  const variance = n < 2 ? 0 : values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const spread = Math.sqrt(variance / n);
  const half = 1.959963984540054 * spread;
  return { score, stderr: score * spread, interval: [Math.exp(-mean - half), Math.exp(-mean + half)] };
}

interface Pair {
  readonly gold: string;
  readonly given: string;
}

/** Of a number that is made of all pairs; its error by leaving each out in turn. */
function counted(grades: readonly AggregatedGrade[], measure: (pairs: readonly Pair[]) => number): Estimate {
  const pairs = grades.map(
    ({ target, extracted }): Pair => ({ gold: String(target), given: String(extracted) }),
  );
  const score = measure(pairs);
  const n = pairs.length;
  // Equal pairs leave equal rests.
  const kinds = new Map<string, { readonly count: number; readonly without: number }>();
  for (const [place, { gold, given }] of pairs.entries()) {
    const key = `${gold} ${given}`;
    const known = kinds.get(key);
    const without = known?.without ?? measure(pairs.toSpliced(place, 1));
    kinds.set(key, { count: (known?.count ?? 0) + 1, without });
  }
  const all = [...kinds.values()];
  const mean = all.reduce((sum, { count, without }) => sum + count * without, 0) / n;
  const squares = all.reduce((sum, { count, without }) => sum + count * (without - mean) ** 2, 0);
  const stderr = Math.sqrt((squares * (n - 1)) / n);
  return {
    score,
    stderr,
    interval: [Math.max(-1, score - 1.96 * stderr), Math.min(1, score + 1.96 * stderr)],
  };
}

/** Of the choice at place 1. */
function f1Score(pairs: readonly Pair[]): number {
  const count = (gold: boolean, given: boolean): number =>
    pairs.filter((pair) => (pair.gold === '1') === gold && (pair.given === '1') === given).length;
  const right = 2 * count(true, true);
  const all = right + count(true, false) + count(false, true);
  return all === 0 ? 0 : right / all;
}

/** Gorodkin's coefficient for any number of choices, which for two is Matthews'. */
function matthews(pairs: readonly Pair[]): number {
  const n = pairs.length;
  const countOf = (key: 'gold' | 'given'): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { [key]: name } of pairs) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  };
  const [gold, given] = [countOf('gold'), countOf('given')];
  const right = pairs.filter((pair) => pair.gold === pair.given).length;
  const product = (a: Map<string, number>, b: Map<string, number>): number =>
    [...a].reduce((sum, [name, count]) => sum + count * (b.get(name) ?? 0), 0);
  const scale = Math.sqrt((n * n - product(given, given)) * (n * n - product(gold, gold)));
  return scale === 0 ? 0 : (right * n - product(gold, given)) / scale;
}

/** Scores of one question by its options' log-likelihoods. @param golds places of right options */
export function choiceScores(
  sums: readonly number[],
  isGreedy: readonly boolean[],
  options: readonly string[],
  golds: readonly number[],
): Readonly<Record<string, number>> {
  const isRight = (values: readonly number[]): number =>
    Number(golds.includes(values.indexOf(Math.max(...values))));
  const most = Math.max(...sums);
  const weights = sums.map((sum) => Math.exp(sum - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    acc: isRight(sums),
    acc_norm: isRight(sums.map((sum, place) => sum / characterCount(options[place] ?? ''))),
    acc_bytes: isRight(sums.map((sum, place) => sum / Buffer.byteLength(options[place] ?? ''))),
    exact_match: Number(golds.some((place) => isGreedy[place] === true)),
    brier_score: weights.reduce(
      (sum, weight, place) => sum + (weight / total - Number(golds.includes(place))) ** 2,
      0,
    ),
  };
}
