/** Folders as an evaluation leaves them, made up. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MadeSample {
  readonly id: string;
  readonly groups?: readonly string[];
  readonly prompt?: string | null;
  readonly output?: string | readonly string[] | null;
  readonly extracted?: string | null;
  readonly target?: string | null;
  readonly correct?: boolean | readonly boolean[] | null;
  readonly points?: number;
  readonly max_points?: number;
  readonly options?: readonly string[];
  readonly loglikelihoods?: readonly number[] | readonly (readonly number[])[];
  readonly scores?: Readonly<Record<string, number>>;
  readonly missing?: string;
}

export interface MadeTask {
  readonly task: string;
  readonly metric?: string;
  readonly samples: readonly MadeSample[];
  /** Of its report. */
  readonly report?: Readonly<Record<string, unknown>>;
}

/** @returns the folder */
export function writeRun(
  folder: string,
  tasks: readonly MadeTask[],
  changes: Readonly<Record<string, unknown>> = {},
): string {
  mkdirSync(folder, { recursive: true });
  const result = {
    xinghe: '0.1.0',
    command: ['xinghe', 'evaluate', '--output', folder],
    fingerprint: folder,
    seed: 0,
    limit: null,
    split: null,
    max_new_tokens: null,
    model: {
      path: `models/${folder.split('/').at(-1)}`,
      model: { 'model.safetensors': '00ff' },
      dtype: null,
    },
    predictions: null,
    tasks: tasks.map(({ task, report }) => ({
      task,
      version: 1,
      source: 'made up',
      shots: 5,
      cot: false,
      mode: 'loglikelihood',
      form: 'plain',
      data: { files: 1, sha256: 'abcdef0123456789' },
      chance: 0.25,
      notes: [],
      problems: [],
      dropped_shots: 0,
      failures: [],
      submission: null,
      ...report,
    })),
    results: tasks.map(entryOf),
    complete: true,
    time: { started: '2026-11-30T08:00:00.000Z', seconds: 12.5, samples_per_second: 80, tokens: null },
    ...changes,
  };
  writeFileSync(join(folder, 'results.json'), JSON.stringify(result, null, 2));
  const lines = tasks.flatMap(({ task, samples }) => samples.map((sample) => sampleLine(task, sample)));
  writeFileSync(join(folder, 'samples.jsonl'), lines.join(''));
  return folder;
}

function sampleLine(task: string, sample: MadeSample): string {
  const { points } = sample;
  const whole = {
    task,
    groups: [],
    prompt: null,
    ids: null,
    output: null,
    extracted: null,
    target: 'A',
    ...(points === undefined && { correct: false }),
    ...sample,
  };
  return `${JSON.stringify(whole)}\n`;
}

function entryOf({ task, metric = 'acc', samples }: MadeTask): object {
  const share = (own: readonly MadeSample[]): number =>
    own.filter(({ correct }) => correct === true).length / Math.max(own.length, 1);
  const names = [...new Set(samples.flatMap(({ groups = [] }) => groups))];
  const score = share(samples);
  const half = 1.96 * Math.sqrt((score * (1 - score)) / Math.max(samples.length, 1));
  return {
    task,
    metric,
    score,
    n: samples.length,
    missing: samples.filter(({ missing }) => missing !== undefined).length,
    stderr: half / 1.96,
    confidence_interval: [score - half, score + half],
    groups: Object.fromEntries(
      names.map((name) => {
        const own = samples.filter(({ groups = [] }) => groups.includes(name));
        return [name, { score: share(own), n: own.length }];
      }),
    ),
  };
}

/** Questions of many subjects, as MMLU's are: five examples, options, and a share of them right. */
export function manySamples(count: number, share: number, seed = 1): MadeSample[] {
  let state = seed;
  const random = (): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  return Array.from({ length: count }, (_, index) => {
    const subject = `subject_${index % 57}`;
    const examples = Array.from(
      { length: 5 },
      (_each, shot) =>
        `Which of these is example ${shot} of ${subject}?\nA. one\nB. two\nC. three\nD. four\nAnswer: A\n\n`,
    ).join('');
    const isRight = random() < share;
    const target = 'ABCD'[index % 4] ?? 'A';
    const wrong = 'ABCD'[(index + 1) % 4] ?? 'B';
    const right = 'ABCD'.indexOf(target);
    const values = [0, 1, 2, 3].map((place) =>
      place === right ? (isRight ? -0.5 : -1.5) : place === (right + 1) % 4 ? -1 : -3 - random(),
    );
    return {
      id: `${subject}_test/${Math.floor(index / 57)}`,
      groups: [subject, index % 2 === 0 ? 'STEM' : 'Humanities'],
      prompt: `${examples}Question ${index} of ${subject}: ${Math.floor(random() * 1e12).toString(36)} 星河?\nA. one\nB. two\nC. three\nD. four\nAnswer:`,
      extracted: isRight ? target : wrong,
      target,
      correct: isRight,
      loglikelihoods: values,
    };
  });
}
