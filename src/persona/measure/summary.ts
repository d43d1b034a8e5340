/** The numbers of a measurement, and how people read them. */
import {
  type EvaluationResult,
  type JudgeReport,
  type RecordedRun,
  wilsonInterval,
} from '../../evaluation/index.js';
import type { PersonaAgreement } from './persona-judge.js';

export interface Share {
  readonly count: number;
  readonly n: number;
  readonly share: number;
  /** 95 % (Wilson). */
  readonly confidence_interval: readonly [number, number];
}

interface Problem {
  readonly reason: string;
  readonly count: number;
}

export interface MeasureSummary {
  readonly model: string;
  readonly n: number;
  /** Answers that contradict the persona or claim what was never set, over all questions. */
  readonly break_rate: Share;
  /** 1 - break_rate. */
  readonly usability: number;
  readonly contradicted: Share;
  readonly claimed: Share;
  /** Break rates of kinds of question, attributes and languages. */
  readonly groups: Readonly<Record<string, Share>>;
  /** Answers in the marks of a character's style; null where it has none. */
  readonly in_style: number | null;
  readonly talks: {
    readonly n: number;
    /** Talks without any break. */
    readonly whole: Share;
    readonly turns_kept: number;
    /** The first attribute is kept to ten turns later. */
    readonly consistent: Share;
    /** Shares of kept answers, from the first turn to the last. */
    readonly by_turn: readonly number[];
  } | null;
  /** On general dialogues: what training a persona may cost. */
  readonly general: {
    readonly n: number;
    readonly bits_per_byte: number;
    /** Answers that the model would write word for word. */
    readonly greedy_match: Share;
  } | null;
  readonly judge?:
    | (JudgeReport & {
        readonly agreement: PersonaAgreement;
        readonly unusable: readonly Problem[];
        readonly failed: readonly Problem[];
      })
    | undefined;
  /** False: some questions could not be asked; the same command asks them again. */
  readonly complete: boolean;
}

type Samples = NonNullable<ReturnType<RecordedRun['samples']['get']>>;

export function summarise(
  { results, complete, model }: EvaluationResult,
  run: RecordedRun,
  judge: MeasureSummary['judge'],
): MeasureSummary {
  const samples = run.samples.get('persona') ?? [];
  const has = (metric: string) => (sample: Samples[number]) => sample.scores?.[metric] === 1;
  const isBroken = (sample: Samples[number]): boolean => sample.correct !== true;
  const groups = new Map<string, Samples>();
  for (const sample of samples)
    for (const name of sample.groups) groups.set(name, [...(groups.get(name) ?? []), sample]);
  const breaks = shareOf(samples, isBroken);
  const bits = results.find(({ task, metric }) => task === 'general' && metric === 'bits_per_byte');
  const general = run.samples.get('general') ?? [];
  return {
    model: String(Object(model).path ?? ''),
    n: samples.length,
    break_rate: breaks,
    usability: 1 - breaks.share,
    contradicted: shareOf(samples, has('contradicted')),
    claimed: shareOf(samples, has('claimed')),
    groups: Object.fromEntries([...groups].map(([name, own]) => [name, shareOf(own, isBroken)])),
    in_style: results.find(({ metric }) => metric === 'in_style')?.score ?? null,
    talks: talksOf(run.samples.get('persona-talks') ?? []),
    general:
      bits?.score === undefined || bits.score === null
        ? null
        : {
            n: general.length,
            bits_per_byte: bits.score,
            greedy_match: shareOf(general, ({ correct }) => correct === true),
          },
    ...(judge !== undefined && { judge }),
    complete,
  };
}

function talksOf(samples: Samples): MeasureSummary['talks'] {
  if (samples.length === 0) return null;
  const turns = samples.map(({ extracted }) =>
    (Array.isArray(extracted) ? extracted : []).map((text) => text === 'kept'),
  );
  const length = Math.max(...turns.map((own) => own.length));
  const mean = (values: readonly boolean[]): number =>
    values.filter(Boolean).length / Math.max(values.length, 1);
  return {
    n: samples.length,
    whole: shareOf(samples, ({ correct }) => correct === true),
    turns_kept: mean(turns.flat()),
    consistent: shareOf(samples, ({ scores }) => scores?.consistent === 1),
    by_turn: Array.from({ length }, (_, turn) => mean(turns.map((own) => own[turn] === true))),
  };
}

function shareOf<Item>(items: readonly Item[], counts: (item: Item) => boolean): Share {
  const count = items.filter(counts).length;
  const share = items.length === 0 ? 0 : count / items.length;
  return { count, n: items.length, share, confidence_interval: wilsonInterval(share, items.length) };
}

/** Rows of a table: a name, and a cell for each measurement. */
export function summaryRows(summaries: readonly MeasureSummary[]): string[][] {
  const rows: string[][] = [];
  const add = (name: string, cell: (summary: MeasureSummary) => string | undefined): void => {
    const cells = summaries.map((summary) => cell(summary) ?? '-');
    if (cells.some((each) => each !== '-')) rows.push([name, ...cells]);
  };
  add('questions', ({ n }) => String(n));
  add('break rate', ({ break_rate: share }) => shareText(share));
  add('- contradicts what is set', ({ contradicted }) => shareText(contradicted));
  add('- claims what was never set', ({ claimed }) => shareText(claimed));
  add('usability', ({ usability }) => percent(usability));
  for (const kind of ['direct', 'compound', 'trick', 'unset', 'attack', 'talk', 'Chinese', 'English'])
    add(
      `break rate, ${KIND_WORDS[kind] ?? kind}`,
      ({ groups }) => groups[kind] && `${percent(groups[kind].share)} (n = ${groups[kind].n})`,
    );
  add('answers in style', ({ in_style: share }) => (share === null ? undefined : percent(share)));
  add('ten turns: answers kept', ({ talks }) =>
    talks === null ? undefined : `${percent(talks.turns_kept)} (${talks.n} talks)`,
  );
  add('ten turns: first and last agree', ({ talks }) =>
    talks === null ? undefined : percent(talks.consistent.share),
  );
  add('general dialogues: bits per byte', ({ general }) => general?.bits_per_byte.toFixed(3));
  add('general dialogues: word for word', ({ general }) =>
    general === null ? undefined : `${percent(general.greedy_match.share)} (n = ${general.n})`,
  );
  add('judge model: break rate', ({ judge }) =>
    judge?.agreement.break_rate === undefined || judge.agreement.break_rate === null
      ? undefined
      : percent(judge.agreement.break_rate),
  );
  add('judge and rules: kappa', ({ judge }) => judge?.agreement.kappa?.toFixed(3));
  return rows;
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  direct: 'one attribute',
  compound: 'several attributes',
  trick: 'wrong premise',
  unset: 'never set',
  attack: 'attack on identity',
  talk: 'several turns',
};

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function shareText({ share, confidence_interval: [low, high] }: Share): string {
  return `${percent(share)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
}

/** In columns, for a terminal. */
export function summaryText(summaries: readonly MeasureSummary[], names: readonly string[]): string {
  const rows = [['', ...names], ...summaryRows(summaries)];
  const widths =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length))) ?? [];
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

export function summaryMarkdown(summaries: readonly MeasureSummary[], names: readonly string[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [
    line(['', ...names]),
    line(['---', ...names.map(() => '---')]),
    ...summaryRows(summaries).map(line),
  ].join('');
}
