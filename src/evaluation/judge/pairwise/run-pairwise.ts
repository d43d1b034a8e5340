/** A comparison of recorded runs from its plan to its files. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { productVersion } from '../../../config/index.js';
import { InputError } from '../../../errors/index.js';
import { lockOutput, writeFileAtomic } from '../../../formats/index.js';
import type { Problem } from '../../problems.js';
import type { LoadedTask } from '../../run/load-samples.js';
import { refuseOtherResults } from '../../run/refuse-other-results.js';
import type { HumanWinner } from '../agreement/human-labels.js';
import { type AgreementReport, agreementOfWinners } from '../agreement/human-labels.js';
import type { Judge, JudgeReport } from '../judge.js';
import { battlesOf, type ComparedDialogue, type Comparison, compareAnswers } from './compare-answers.js';
import { type PairReport, pairLine, pairReports, positionReport } from './pair-report.js';
import { type RankedModel, rankModels } from './rank-models.js';
import type { RecordedRun } from './recorded-run.js';

const OTHER_RESULTS =
  'is another result (other runs, judge, set or options); give another --output, or --overwrite.';

export interface PairwisePlan {
  readonly runs: readonly RecordedRun[];
  readonly set: LoadedTask;
  /** Every other run is compared with this one alone; default all with all. */
  readonly baseline: string | undefined;
  readonly rounds: number;
  readonly seed: number;
  readonly labels: readonly HumanWinner[] | undefined;
  readonly output: string;
  readonly overwrite: boolean;
  readonly command: readonly string[];
}

export interface PairwiseResult extends JudgeReport {
  readonly xinghe: string;
  readonly command: readonly string[];
  readonly fingerprint: string;
  readonly seed: number;
  readonly resamples: number;
  readonly runs: readonly { readonly name: string; readonly path: string; readonly sha256: string }[];
  readonly data: LoadedTask['data'];
  /** Recorded answers to no dialogue of the set, by run. */
  readonly unknown: Readonly<Record<string, number>>;
  readonly ranking: readonly RankedModel[];
  /** A model won or lost all its battles: one tie was added to each pair that met, else it would have no rating. */
  readonly regularised: boolean;
  readonly pairs: readonly PairReport[];
  readonly position: ReturnType<typeof positionReport>;
  readonly unusable: readonly Problem[];
  readonly failed: readonly Problem[];
  readonly agreement: AgreementReport | null;
  readonly complete: boolean;
  readonly time: { readonly started: string; readonly seconds: number };
}

/** Writes `results.json` and `pairs.jsonl`. @throws InputError for runs that do not fit each other; InterruptedError */
export async function runPairwise(plan: PairwisePlan, judge: Judge): Promise<PairwiseResult> {
  const started = new Date();
  const { runs, set, output } = plan;
  const unknown = checkRuns(plan);
  const fingerprint = createHash('sha256')
    .update(
      JSON.stringify([
        'pairwise',
        judge.report,
        runs.map(({ name, sha256 }) => [name, sha256]),
        set.data,
        set.samples.length,
        plan.baseline ?? null,
        plan.rounds,
        plan.seed,
        plan.labels ?? null,
      ]),
    )
    .digest('hex');
  const release = lockOutput(output);
  try {
    refuseOtherResults(plan, fingerprint, OTHER_RESULTS);
    mkdirSync(output, { recursive: true });
    const dialogues = set.samples.flatMap(({ id, judged }): ComparedDialogue[] =>
      judged === undefined ? [] : [{ id, judged }],
    );
    const answers = runs.map((run) => run.answers);
    const { comparisons, counted } = await compareAnswers(judge, dialogues, answers, pairsOf(plan));
    const result = resultOf(plan, judge, comparisons, counted, { unknown, fingerprint, started });
    const names = runs.map(({ name }) => name);
    const lines = comparisons.map((each) => `${JSON.stringify(pairLine(names, each))}\n`);
    writeFileAtomic(join(output, 'pairs.jsonl'), lines.join(''));
    writeFileAtomic(join(output, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
    return result;
  } finally {
    release();
  }
}

function resultOf(
  { runs, set, rounds, seed, labels, command }: PairwisePlan,
  judge: Judge,
  comparisons: readonly Comparison[],
  { unusable, failed }: Awaited<ReturnType<typeof compareAnswers>>['counted'],
  own: { readonly unknown: Record<string, number>; readonly fingerprint: string; readonly started: Date },
): PairwiseResult {
  const names = runs.map(({ name }) => name);
  const { models, isRegularised } = rankModels(names, battlesOf(comparisons), { rounds, seed });
  return {
    xinghe: productVersion(),
    command,
    fingerprint: own.fingerprint,
    seed,
    resamples: rounds,
    ...judge.report,
    runs: runs.map(({ name, path, sha256 }) => ({ name, path, sha256 })),
    data: set.data,
    unknown: own.unknown,
    ranking: models,
    regularised: isRegularised,
    pairs: pairReports(names, comparisons),
    position: positionReport(comparisons),
    unusable: unusable.list(),
    failed: failed.list(),
    agreement: labels === undefined ? null : agreementOfWinners(names, comparisons, labels),
    complete: failed.total === 0,
    time: {
      started: own.started.toISOString(),
      seconds: (Date.now() - own.started.getTime()) / 1000,
    },
  };
}

/** @returns answers of each run to no dialogue of the set @throws InputError */
function checkRuns({ runs, set, baseline }: PairwisePlan): Record<string, number> {
  const names = runs.map(({ name }) => name);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined)
    throw new InputError(
      `two runs are named "${twice}"; name them on the command line: one=PATH other=PATH.`,
    );
  if (names.includes('tie')) throw new InputError('a run cannot be named "tie"; name it: NAME=PATH.');
  if (baseline !== undefined && !names.includes(baseline))
    throw new InputError(`--baseline ${baseline}: there is no such run; there are ${names.join(', ')}.`);
  const turns = new Map(set.samples.map(({ id, judged }) => [id, judged?.turns.length ?? 0]));
  return Object.fromEntries(
    runs.map(({ name, path, answers, dataSha256 }) => {
      if (dataSha256 !== undefined && dataSha256 !== set.data.sha256)
        throw new InputError(
          `${path} answers another set of dialogues than this one; give the same --dialogues as its evaluation had.`,
        );
      const unknown = [...answers.keys()].filter((id) => !set.ids.has(id));
      if (unknown.length === answers.size)
        throw new InputError(`${path}: no dialogue here has an id of its answers, such as "${unknown[0]}".`);
      for (const [id, given] of answers)
        if (given.length > (turns.get(id) ?? given.length))
          throw new InputError(
            `${path}: ${id} has ${turns.get(id)} turns and ${given.length} recorded answers.`,
          );
      return [name, unknown.length];
    }),
  );
}

function pairsOf({ runs, baseline }: PairwisePlan): (readonly [number, number])[] {
  const places = runs.map((_, place) => place);
  const all = places.flatMap((one) => places.slice(one + 1).map((other) => [one, other] as const));
  const base = runs.findIndex(({ name }) => name === baseline);
  return baseline === undefined ? all : all.filter((pair) => pair.includes(base));
}
