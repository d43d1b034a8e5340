/** What became of one sample: the line of samples.jsonl, and what scores are made of. */

import { characterCount } from '../graders/python-text.js';
import { fractionOf, type ScoreReply } from '../judge/judge-samples.js';
import type { ModelAnswer } from '../model/language-model.js';
import type { Choice, Grade, GradingTools, Sample } from '../task.js';

/** What a model or a file of outputs gave for it. */
export type Answered =
  | {
      readonly kind: 'outputs';
      readonly outputs: readonly string[];
      readonly answer?: ModelAnswer | undefined;
    }
  | { readonly kind: 'choices'; readonly answer: ModelAnswer }
  | { readonly kind: 'missing'; readonly reason: string };

export interface Outcome {
  readonly sample: Sample;
  readonly answered: Answered;
  readonly grade: Grade;
  /** 0 to 1, or points, by metric. */
  readonly scores: Readonly<Record<string, number>>;
  /** Of a dialogue; undefined where no judge was asked. */
  readonly reply?: ScoreReply | undefined;
}

const NOTHING: Grade = { extracted: null, isCorrect: [false], points: 0 };

/** A dialogue with what the judge said of it; points by its verdict alone. */
export function judgedOutcome(
  sample: Sample,
  answered: Answered,
  reply: ScoreReply | undefined,
  metric: string,
): Outcome {
  const score = fractionOf(answered, reply);
  return {
    sample,
    answered,
    reply,
    grade: { extracted: null, isCorrect: [false], ...(score !== undefined && { points: 100 * score }) },
    scores: score === undefined ? {} : { [metric]: score },
  };
}

/** @param metric of the task for right or wrong */
export async function gradeSample(
  sample: Sample,
  answered: Answered,
  metric: string,
  tools: GradingTools,
): Promise<Outcome> {
  switch (answered.kind) {
    case 'missing':
      return { sample, answered, grade: NOTHING, scores: {} };
    case 'outputs': {
      const grade = await sample.grade(answered.outputs, tools);
      return { sample, answered, grade, scores: scoresOf(grade, metric) };
    }
    case 'choices':
      return gradeChoices(sample, answered, metric, tools);
  }
}

function scoresOf(grade: Grade, metric: string): Record<string, number> {
  return { [metric]: grade.points ?? Number(grade.isCorrect[0] === true), ...grade.others };
}

async function gradeChoices(
  sample: Sample,
  answered: Extract<Answered, { kind: 'choices' }>,
  metric: string,
  tools: GradingTools,
): Promise<Outcome> {
  const { logLikelihoods = [], isGreedy = [] } = answered.answer;
  const { choices } = sample;
  if (sample.gradeChoices !== undefined) {
    const grade = sample.gradeChoices(logLikelihoods, isGreedy);
    return { sample, answered, grade, scores: { ...grade.others } };
  }
  if (choices === undefined)
    return gradeReference(sample, answered, logLikelihoods[0]?.[0] ?? Number.NaN, isGreedy[0]?.[0] === true);
  const chosen = logLikelihoods.map((sums) => sums.indexOf(Math.max(...sums)));
  if (sample.outputOfChoices !== undefined) {
    const grade = await sample.grade([sample.outputOfChoices(chosen)], tools);
    return { sample, answered, grade, scores: scoresOf(grade, metric) };
  }
  const [choice] = choices;
  const [sums = []] = logLikelihoods;
  const places = choice === undefined ? {} : bestPlaces(choice, sums);
  const rightOf = (place: number | undefined): number =>
    Number(place !== undefined && place === choice?.answer);
  const scores = Object.fromEntries(Object.entries(places).map(([name, place]) => [name, rightOf(place)]));
  const place = places.acc ?? -1;
  const grade: Grade = { extracted: labelOf(sample, place), isCorrect: [scores.acc === 1] };
  return { sample, answered, grade, scores };
}

/** The first of the greatest: by the sum of log-probabilities, and divided by characters and bytes where the option is a text. */
function bestPlaces({ texts }: Choice, sums: readonly number[]): Record<string, number> {
  const best = (values: readonly number[]): number => values.indexOf(Math.max(...values));
  if (texts === undefined) return { acc: best(sums) };
  return {
    acc: best(sums),
    acc_norm: best(sums.map((sum, place) => sum / characterCount(texts[place] ?? ''))),
    acc_bytes: best(sums.map((sum, place) => sum / Buffer.byteLength(texts[place] ?? ''))),
  };
}

function labelOf({ choices }: Sample, place: number): string | null {
  const [choice] = choices ?? [];
  if (choice === undefined || place < 0) return null;
  return choice.texts === undefined
    ? (choice.continuations[place]?.trim() ?? null)
    : String.fromCharCode(0x41 + place);
}

/** A set without options: how likely the given answer is, and whether the model would write it by itself. */
function gradeReference(sample: Sample, answered: Answered, sum: number, isGreedy: boolean): Outcome {
  const bytes = Buffer.byteLength(sample.reference ?? '');
  const scores = { greedy_match: Number(isGreedy), bits_per_byte: -sum / Math.LN2 / Math.max(bytes, 1) };
  return { sample, answered, grade: { extracted: null, isCorrect: [isGreedy] }, scores };
}

/** What the log-likelihoods are of, where a prompt does not list its options. */
function optionTexts({ choices = [] }: Sample): { readonly options?: readonly string[] } {
  const [choice] = choices;
  return choices.length === 1 && choice?.texts !== undefined ? { options: choice.texts } : {};
}

/** A line of samples.jsonl; keys in a fixed order. */
export function sampleLine(task: string, { sample, answered, grade, scores, reply }: Outcome): object {
  const answer = answered.kind === 'missing' ? undefined : answered.answer;
  const outputs = answered.kind === 'outputs' ? answered.outputs : undefined;
  const isMissing = answered.kind === 'missing';
  const one = <Value>(list: readonly Value[] | undefined): Value | readonly Value[] | null =>
    list === undefined ? null : list.length === 1 && list[0] !== undefined ? list[0] : list;
  return {
    task,
    id: sample.id,
    groups: sample.groups,
    prompt: answer?.prompt ?? null,
    ids: answer?.ids ?? null,
    output: one(outputs),
    extracted: grade.extracted,
    target: sample.target,
    ...(sample.maxPoints === undefined
      ? { correct: sample.target === null ? null : one(grade.isCorrect) }
      : { points: grade.points ?? 0, max_points: sample.maxPoints }),
    ...(answer?.logLikelihoods !== undefined && optionTexts(sample)),
    ...(answer?.logLikelihoods !== undefined && { loglikelihoods: one(answer.logLikelihoods) }),
    ...(Object.keys(scores).length > 1 && { scores }),
    ...((answer?.droppedShots ?? 0) > 0 && { dropped_shots: answer?.droppedShots }),
    ...(sample.judged !== undefined && judgedPart(sample, grade, scores, reply)),
    ...(isMissing && { missing: answered.reason }),
  };
}

/** Of a dialogue; without a verdict that counts it has neither points nor a target, as a sample without a label. */
function judgedPart(
  { target }: Sample,
  { points }: Grade,
  scores: Outcome['scores'],
  reply: ScoreReply | undefined,
): object {
  const verdict = reply === undefined ? null : verdictLine(reply);
  return points === undefined
    ? { target: null, correct: null, verdict }
    : { target, correct: undefined, points, max_points: 100, scores, verdict };
}

function verdictLine(reply: ScoreReply): object {
  switch (reply.kind) {
    case 'verdict':
      return { score: reply.verdict.score, reason: reply.verdict.reason, raw: reply.texts };
    case 'unusable':
      return { score: null, unusable: reply.reason, raw: reply.texts };
    case 'failed':
      return { score: null, failed: reply.reason, message: reply.message };
  }
}
