/** The verdicts of a task's dialogues: what is asked, and how scores are made of what comes back. */
import { InputError } from '../../errors/index.js';
import type { Problem } from '../problems.js';
import type { Answered, Outcome } from '../run/outcome.js';
import { estimateMean, estimateMeanOfGroups } from '../run/statistics.js';
import type { GroupEntry, ResultEntry } from '../run/summarise.js';
import type { Sample } from '../task.js';
import { countUnusable, type Judge, type JudgeQuestion, type JudgeReply, type JudgeReport } from './judge.js';
import { askAgain, scorePrompt } from './judge-prompt.js';
import { readScoreVerdict, type ScoreVerdict } from './score-verdict.js';

export type ScoreReply = JudgeReply<ScoreVerdict>;

export interface JudgedTask {
  readonly notes: readonly string[];
  /** By place of the sample; undefined where there was nothing to judge. */
  readonly replies: readonly (ScoreReply | undefined)[];
  readonly report:
    | (JudgeReport & {
        /** Verdicts that count. */
        readonly verdicts: number;
        /** What the judge wrote instead of a verdict, by kind. */
        readonly unusable: readonly Problem[];
        /** Why it could not be asked, by kind; the same command asks again. */
        readonly failed: readonly Problem[];
      })
    | null;
}

const NO_JUDGE = 'no judge was named (--judge): answers are recorded, there is no score';

/**
 * @param judge undefined: answers are recorded alone
 * @throws InputError where answers do not belong to the turns; InterruptedError
 */
export async function judgeSamples(
  judge: Judge | undefined,
  task: string,
  samples: readonly Sample[],
  answered: readonly (Answered | undefined)[],
): Promise<JudgedTask> {
  checkTurns(samples, answered);
  if (judge === undefined) return { replies: [], report: null, notes: [NO_JUDGE] };
  const places: number[] = [];
  const questions: JudgeQuestion[] = [];
  for (const [place, { id, judged }] of samples.entries()) {
    const given = answered[place];
    if (judged === undefined || given?.kind !== 'outputs') continue;
    places.push(place);
    questions.push({
      id,
      prompt: scorePrompt(judge.rubric, id, judged, given.outputs),
      again: askAgain(judged.language),
    });
  }
  const found = await judge.ask(questions, readScoreVerdict, `${task}: judge`);
  const replies = new Array<ScoreReply | undefined>(samples.length).fill(undefined);
  for (const [each, place] of places.entries()) replies[place] = found[each];
  const { unusable, failed } = countUnusable(questions, found);
  return {
    notes: [],
    replies,
    report: {
      ...judge.report,
      verdicts: found.filter(({ kind }) => kind === 'verdict').length,
      unusable: unusable.list(),
      failed: failed.list(),
    },
  };
}

/** Recorded answers of a dialogue are its turns in their order. @throws InputError for more answers than turns */
function checkTurns(samples: readonly Sample[], answered: readonly (Answered | undefined)[]): void {
  for (const [place, { id, judged }] of samples.entries()) {
    const given = answered[place];
    if (judged === undefined || given?.kind !== 'outputs') continue;
    const { length } = given.outputs;
    if (length > judged.turns.length)
      throw new InputError(
        `${id} has ${judged.turns.length} turns and ${length} recorded answers; they belong to another dialogue, or one stands there twice.`,
      );
  }
}

/** 0 to 1 where the sample counts: judged, or without an answer. */
export function fractionOf(given: Answered | undefined, reply: ScoreReply | undefined): number | undefined {
  if (given?.kind === 'missing') return 0;
  return reply?.kind === 'verdict' ? reply.verdict.score / 100 : undefined;
}

/** The mean over what was judged, by dimension, language and number of turns. */
export function summariseVerdicts(task: string, metric: string, outcomes: readonly Outcome[]): ResultEntry {
  const values = new Map<string, number[]>();
  const all: number[] = [];
  const dimensions = new Set<string>();
  for (const { sample, scores } of outcomes) {
    const value = scores[metric];
    if (value === undefined) continue;
    all.push(value);
    if (sample.judged !== undefined) dimensions.add(sample.judged.dimension);
    for (const group of sample.groups) values.set(group, [...(values.get(group) ?? []), value]);
  }
  const missing = outcomes.filter(({ answered }) => answered.kind === 'missing').length;
  const common = { task, metric, n: all.length, missing, unjudged: outcomes.length - all.length };
  if (outcomes.every(({ reply }) => reply?.kind !== 'verdict')) {
    const isAsked = outcomes.some(({ reply }) => reply !== undefined);
    const n = isAsked ? 0 : outcomes.length;
    return { ...common, n, score: null, stderr: null, confidence_interval: null, groups: {} };
  }
  const { score, stderr, interval } = estimateMean(all);
  const byDimension = estimateMeanOfGroups([...dimensions].map((name) => values.get(name) ?? []));
  return {
    ...common,
    score,
    stderr,
    confidence_interval: interval,
    average: 'samples',
    averages: { samples: score, dimensions: byDimension.score },
    groups: Object.fromEntries(
      inOrder(
        values,
        outcomes.map(({ sample }) => sample),
      ).map(([name, own]): [string, GroupEntry] => [name, groupOf(own)]),
    ),
  };
}

function groupOf(values: readonly number[]): GroupEntry {
  const { score, interval } = estimateMean(values);
  return { score, n: values.length, ...(values.length > 1 && { confidence_interval: interval }) };
}

/** Dimensions first, then languages, then numbers of turns. */
function inOrder(values: ReadonlyMap<string, number[]>, samples: readonly Sample[]): [string, number[]][] {
  const places = Math.max(...samples.map(({ groups }) => groups.length));
  const names = Array.from({ length: places }, (_, place) => samples.map(({ groups }) => groups[place]));
  const order = [...new Set(names.flat())];
  return order.flatMap((name): [string, number[]][] => {
    const own = name === undefined ? undefined : values.get(name);
    return name === undefined || own === undefined ? [] : [[name, own]];
  });
}
