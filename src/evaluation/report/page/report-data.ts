/** From recorded runs to what the page shows of them: scores, and the samples as far as they fit. */
import type { RunsComparison } from '../../comparison/compare-runs.js';
import type {
  RecordedEntry,
  RecordedResult,
  RecordedRun,
  RecordedSample,
  RecordedTask,
} from '../../comparison/recorded-run.js';
import { verdictOf } from '../../comparison/sample-score.js';
import { TASKS } from '../../registry.js';
import { wilsonInterval } from '../../run/statistics.js';
import { PUBLISHED_MODELS, publishedScores } from '../published-scores.js';
import type {
  Entry,
  Group,
  PageAnswer,
  PageSample,
  ReportRun,
  ReportTask,
  TaskOfRun,
} from './report-content.js';

/** @param labels of the runs, each its own */
export function reportRuns(runs: readonly RecordedRun[], labels: readonly string[]): ReportRun[] {
  return runs.map(({ folder, result }, place) => ({
    label: labels[place] ?? folder,
    folder,
    model: result.model?.path ?? result.predictions?.path ?? '',
    command: result.command.join(' '),
    started: result.time.started,
    seconds: result.time.seconds,
    samplesPerSecond: result.time.samples_per_second,
    complete: result.complete,
    facts: factsOf(result),
  }));
}

function factsOf({
  xinghe,
  fingerprint,
  model,
  predictions,
  limit,
  split,
  max_new_tokens: maxNewTokens,
}: RecordedResult): (readonly [string, string])[] {
  const flat = (value: unknown, path: string): (readonly [string, string])[] => {
    if (value === null || value === undefined) return [];
    if (typeof value !== 'object') return [[path, String(value)]];
    return Object.entries(value).flatMap(([key, own]) => flat(own, path === '' ? key : `${path}.${key}`));
  };
  return [
    ['xinghe', xinghe],
    ['fingerprint', fingerprint],
    ...flat(model, 'model'),
    ...flat(predictions, 'predictions'),
    ...flat({ limit, split, max_new_tokens: maxNewTokens }, ''),
  ];
}

export function reportTasks(runs: readonly RecordedRun[], comparison?: RunsComparison): ReportTask[] {
  const names = comparison?.tasks.map(({ task }) => task) ?? [
    ...new Set(runs.flatMap(({ result }) => result.tasks.map(({ task }) => task))),
  ];
  return names.map((name): ReportTask => {
    const compared = comparison?.tasks.find(({ task }) => task === name);
    return {
      name,
      title: TASKS.find((task) => task.name === name)?.title ?? name,
      runs: runs.map(({ result }) => taskOfRun(result, name)),
      published: publishedScores(name).flatMap((score, place) =>
        score === undefined ? [] : [{ model: PUBLISHED_MODELS[place] ?? '', score }],
      ),
      comparison:
        compared?.metrics.flatMap(({ metric, scores, against_first: pairs }) =>
          pairs.map(({ run, difference, interval, mcnemar }) => ({
            metric,
            run,
            scores: [scores[0] ?? 0, scores[run] ?? 0] as const,
            difference,
            interval,
            firstOnly: mcnemar?.firstOnly ?? null,
            secondOnly: mcnemar?.secondOnly ?? null,
            p: mcnemar?.p ?? null,
            method: mcnemar?.method ?? null,
          })),
        ) ?? [],
      common: compared?.common ?? null,
      warnings: compared?.warnings ?? [],
    };
  });
}

function taskOfRun(result: RecordedResult, name: string): TaskOfRun | null {
  const report = result.tasks.find(({ task }) => task === name);
  if (report === undefined) return null;
  return {
    entries: result.results.filter(({ task }) => task === name).map(entryOf),
    shots: report.shots,
    mode: report.mode,
    form: report.form,
    cot: report.cot,
    version: report.version,
    data: report.data.sha256,
    chance: report.chance ?? null,
    notes: notesOf(report),
    problems: problemsOf(report).map(({ reason, count, examples }) => ({
      reason,
      count,
      first: examples[0]?.message ?? '',
    })),
  };
}

function problemsOf({ problems, failures, judge }: RecordedTask): RecordedTask['problems'] {
  const { unusable = [], failed = [] } = judge ?? {};
  const ofJudge = [...unusable, ...failed].map((problem) => ({
    ...problem,
    reason: `no verdict of the judge (${problem.reason})`,
  }));
  return [...problems, ...failures, ...ofJudge];
}

function notesOf({ notes, dropped_shots: dropped }: RecordedTask): string[] {
  return dropped === 0
    ? [...notes]
    : [...notes, `${dropped} examples were left out: prompts did not fit the model`];
}

function entryOf(entry: RecordedEntry): Entry {
  const {
    metric,
    score,
    confidence_interval: interval,
    n,
    missing,
    average,
    points,
    max_points: most,
  } = entry;
  return {
    metric,
    score,
    interval,
    n,
    missing,
    average: average ?? null,
    points: points === undefined || most === undefined ? null : [points, most],
    groups: Object.entries(entry.groups).map(([name, group]): Group => {
      const hasPoints = group.points !== undefined && group.max_points !== undefined;
      return {
        name,
        score: group.score,
        n: group.n,
        // Of points no interval can be told from their sum.
        interval:
          hasPoints || metric === 'bits_per_byte' || Number.isNaN(group.score)
            ? null
            : wilsonInterval(group.score, group.n),
        points: hasPoints ? [group.points ?? 0, group.max_points ?? 0] : null,
      };
    }),
  };
}

/** @param row the same sample in each run; undefined where a run has it not */
export function pageSample(
  task: number,
  row: readonly (RecordedSample | undefined)[],
): PageSample | undefined {
  const first = row.find((sample) => sample !== undefined);
  if (first === undefined) return undefined;
  const { id, groups, target, max_points: most } = first;
  return {
    t: task,
    id,
    g: groups,
    target,
    most: most ?? null,
    prompt: first.prompt,
    ...(first.options !== undefined && { o: first.options }),
    a: row.map((sample) => (sample === undefined ? null : answerOf(sample, first.prompt))),
  };
}

function answerOf(sample: RecordedSample, prompt: string | null): PageAnswer {
  const { output, extracted, correct, points, loglikelihoods, missing } = sample;
  const options = loglikelihoods?.flatMap((value) => (Array.isArray(value) ? [value] : []));
  const single = loglikelihoods?.flatMap((value) => (Array.isArray(value) ? [] : [value]));
  return {
    v: verdictOf(sample),
    output,
    extracted,
    ...(Array.isArray(correct) && { each: correct }),
    ...(points !== undefined && { points }),
    ...(loglikelihoods !== undefined && {
      options: options === undefined || options.length === 0 ? [single ?? []] : options,
    }),
    ...(missing !== undefined && { missing }),
    ...(sample.prompt !== null && sample.prompt !== prompt && { prompt: sample.prompt }),
  };
}
