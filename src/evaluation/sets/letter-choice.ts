/**
 * Exams of four lettered options with a file a subject (MMLU, C-Eval, CMMLU, FinanceIQ): a task of this kind is its texts, its
 * table of subjects and the form of its files.
 */
import { InputError } from '../../errors/index.js';
import { firstOption } from '../graders/first-option.js';
import {
  type Average,
  type Grade,
  graded,
  type LoadedSet,
  type LoadOptions,
  type Sample,
  type Shot,
  type Task,
} from '../task.js';
import { LETTERS, type LetterColumns, type LetterRow, letterRowReader } from './letter-rows.js';
import type { SetReader } from './set-reader.js';
import { filesOfSplit, type SplitFile, splitOf } from './split.js';

export interface Subject {
  /** As the prompt names it. */
  readonly title: string;
  /** Parts of the published tables that it counts to. */
  readonly groups: readonly string[];
}

export interface LetterChoiceForm extends LetterColumns {
  readonly subjects: Readonly<Record<string, Subject>>;
  /** Splits that are measured, the first that is there. */
  readonly splits: readonly string[];
  readonly header: readonly string[] | null;
  /** What stands before the first question. */
  readonly heading: (subject: string) => string;
  /** Before the question itself. */
  readonly lead: string;
  /** Behind the options, where the answer begins. */
  readonly cue: string;
  /** Between cue and letter. */
  readonly blank: string;
  /** Reasoning before the answer, where the set's examples have it. */
  readonly cot?: { readonly cue: string; readonly answer: (row: LetterRow) => string };
  /** How the set's own code reads a written answer, beside first_option; '' for none. */
  readonly ownExtraction?: { readonly metric: string; readonly read: (output: string) => string };
}

type Described = Omit<Task, 'load' | 'defaultMode' | 'defaultShots' | 'takesCot' | 'otherMetrics'>;

export function letterChoiceTask(described: Described, form: LetterChoiceForm): Task {
  return {
    ...described,
    defaultShots: 5,
    defaultMode: 'loglikelihood',
    takesCot: form.cot !== undefined,
    otherMetrics: form.ownExtraction === undefined ? [] : [form.ownExtraction.metric],
    load: (reader, options) => load(reader, options, form),
  };
}

/** The mean over subjects, each as heavy as any other. */
export function overSubjects(subjects: Readonly<Record<string, Subject>>): Average {
  return { over: 'subjects', groups: (all) => all.filter((name) => Object.hasOwn(subjects, name)) };
}

async function load(reader: SetReader, options: LoadOptions, form: LetterChoiceForm): Promise<LoadedSet> {
  const files = withoutUnion(reader.files().map(splitOf));
  const chosen = filesOfSplit(files, options.split === undefined ? form.splits : [options.split]);
  if (chosen === undefined) reader.refuse(`file of ${options.split ?? form.splits.join(' or ')} questions`);
  const examples =
    options.needsPrompts && options.shots > 0
      ? await readExamples(reader, files, form)
      : new Map<string, LetterRow[]>();
  const samples: Sample[] = [];
  const notes = chosen.split === form.splits[0] ? [] : [`measured on the ${chosen.split} split`];
  let isOfForm = false;
  let fewest = options.shots;
  for (const file of chosen.files) {
    const read = letterRowReader(await reader.rows(file), form);
    if (read === undefined) {
      reader.problems.add('other form', file.stem, `${file.path} is not of the form of ${reader.task}.`);
      continue;
    }
    isOfForm = true;
    for (const row of reader.readEach(read.rows, file, read.read)) {
      const subject = row.subject ?? file.subject;
      const known = Object.hasOwn(form.subjects, subject) ? form.subjects[subject] : undefined;
      if (known === undefined) {
        reader.problems.add(
          'unknown subject',
          `${file.stem}/${row.index}`,
          `${file.path}: ${reader.task} has no subject "${subject}".`,
        );
        continue;
      }
      const shots = (examples.get(subject) ?? []).slice(0, options.shots);
      fewest = Math.min(fewest, shots.length);
      samples.push(sampleOf(row, { file, subject, known, shots, options, form }));
    }
  }
  if (!isOfForm || samples.length === 0) reader.refuse(`questions of its form (${describe(form)})`);
  if (options.needsPrompts && fewest < options.shots) {
    if (options.isShotsWanted)
      throw new InputError(
        `${reader.task}: --shots ${options.shots}, but the dev split of ${reader.folder} has only ${fewest} examples for ` +
          'some subject; add its dev files, or ask for fewer.',
      );
    notes.push(`${fewest} to ${options.shots} shots: the dev split has no more`);
  }
  return { samples, notes };
}

/** The hub's folder of all subjects repeats the folders of each. */
function withoutUnion(files: readonly SplitFile[]): SplitFile[] {
  const own = files.filter(({ folders }) => !folders.includes('all'));
  return (own.length > 0 ? own : files).map((file) =>
    /-of-\d{5}$/.test(file.stem) && file.subject !== 'all' && file.folders.length > 0
      ? { ...file, idStem: file.subject }
      : file,
  );
}

function describe({ header }: LetterChoiceForm): string {
  return header === null
    ? 'CSV without header: question, A, B, C, D, answer'
    : `CSV with the header ${header.join(',')}`;
}

async function readExamples(
  reader: SetReader,
  files: readonly SplitFile[],
  form: LetterChoiceForm,
): Promise<Map<string, LetterRow[]>> {
  const examples = new Map<string, LetterRow[]>();
  for (const file of files.filter(({ split }) => split === 'dev')) {
    const read = letterRowReader(await reader.rows(file), form);
    if (read === undefined) continue;
    for (const row of reader.readEach(read.rows, file, read.read)) {
      const subject = row.subject ?? file.subject;
      examples.set(subject, [...(examples.get(subject) ?? []), row]);
    }
  }
  return examples;
}

interface SampleParts {
  readonly file: SplitFile;
  readonly subject: string;
  readonly known: Subject;
  readonly shots: readonly LetterRow[];
  readonly options: LoadOptions;
  readonly form: LetterChoiceForm;
}

function sampleOf(row: LetterRow, { file, subject, known, shots, options, form }: SampleParts): Sample {
  const answer = row.answer === null ? undefined : LETTERS.findIndex((letter) => letter === row.answer);
  return {
    id: `${file.idStem}/${row.index}`,
    file: file.stem,
    groups: [...new Set([subject, ...known.groups, file.stem])],
    target: row.answer,
    prompt: options.needsPrompts
      ? {
          header: form.heading(known.title),
          shots: shots.map((shot) => shotOf(shot, options.isCot, form)),
          question: questionOf(row, options.isCot, form),
        }
      : undefined,
    choices: [{ continuations: LETTERS.map((letter) => `${form.blank}${letter}`), answer }],
    stop: ['\n\n'],
    maxNewTokens: options.isCot ? 512 : 256,
    grade: (outputs) => gradeLetter(outputs, row.answer, form),
  };
}

function gradeLetter(
  outputs: readonly string[],
  answer: string | null,
  { ownExtraction: own }: LetterChoiceForm,
): Grade {
  const grade = graded(outputs, (output) => firstOption(output, 'ABCD') || null, answer);
  return own === undefined
    ? grade
    : { ...grade, others: { [own.metric]: Number(own.read(outputs[0] ?? '') === answer) } };
}

function questionOf(row: LetterRow, isCot: boolean, { lead, cue, cot }: LetterChoiceForm): string {
  const options = LETTERS.map((letter, place) => `${letter}. ${row.options[place] ?? ''}`);
  return [
    `${lead}${row.question.trim()}`,
    ...options,
    isCot && cot !== undefined ? `${cue}${cot.cue}` : cue,
  ].join('\n');
}

function shotOf(row: LetterRow, isCot: boolean, form: LetterChoiceForm): Shot {
  const question = questionOf(row, isCot, form);
  const { cot, blank } = form;
  return { question, answer: isCot && cot !== undefined ? cot.answer(row) : `${blank}${row.answer ?? ''}` };
}
