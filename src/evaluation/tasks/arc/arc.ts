import { fieldOf } from '../../../json/index.js';
import { firstOption } from '../../graders/first-option.js';
import { optionLetters } from '../../graders/option-letters.js';
import { strip } from '../../graders/python-text.js';
import { examplesOf } from '../../sets/examples.js';
import { type Row, RowFault, type SetFile, type SetReader, textOf } from '../../sets/set-reader.js';
import { filesOfSplit, type SplitFile, splitOf } from '../../sets/split.js';
import { graded, type LoadedSet, type LoadOptions, type Sample, type Shot, type Task } from '../../task.js';

export const arcEasy = arcTask('arc-easy', 'ARC-E', 'ARC-Easy');
export const arcChallenge = arcTask('arc-challenge', 'ARC-C', 'ARC-Challenge');

function arcTask(name: string, title: string, subset: string): Task {
  return {
    name,
    title,
    version: 1,
    folder: 'arc',
    source: 'allenai.org/data/arc, huggingface.co/datasets/allenai/ai2_arc',
    paper:
      'Clark et al. 2018, Think you have Solved Question Answering? Try ARC, the AI2 Reasoning Challenge',
    deviations: ['the published 5197 and 2590 questions are all splits together; here one split is measured'],
    defaultShots: 0,
    defaultMode: 'loglikelihood',
    takesCot: false,
    load: (reader, options) => load(reader, options, subset),
  };
}

async function load(reader: SetReader, options: LoadOptions, subset: string): Promise<LoadedSet> {
  const files = reader
    .files()
    .filter(({ path }) => path.includes(subset))
    .map(splitOfArc);
  const chosen = filesOfSplit(files, options.split === undefined ? ['test', 'val'] : [options.split]);
  if (chosen === undefined) return reader.refuse(`file of ${subset}'s test or dev split`);
  const { shots, notes } = await examplesOf(
    reader,
    oneForm(files.filter(({ split }) => split === 'train')),
    options,
    shotOf,
  );
  const samples: Sample[] = [];
  for (const file of oneForm(chosen.files, options.recordedIds)) {
    const rows = await reader.rows(file);
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file, shots)));
  }
  if (samples.length === 0) reader.refuse('rows of {"question", "choices", "answerKey"}');
  return { samples, notes: chosen.split === 'test' ? notes : [...notes, 'measured on the dev split'] };
}

function splitOfArc(file: SetFile): SplitFile {
  const named = /-(Train|Dev|Test)$/.exec(file.stem)?.[1];
  const split = named === undefined ? undefined : { Train: 'train', Dev: 'val', Test: 'test' }[named];
  return { ...splitOf(file), ...(split !== undefined && { split }) };
}

/** A split may lie there in AI2's form and in the hub's: that of the recorded outputs, else AI2's. */
function oneForm(
  files: readonly SplitFile[],
  recordedIds: ReadonlySet<string> = new Set(),
): readonly SplitFile[] {
  const isRecorded = ({ stem }: SplitFile): boolean =>
    [...recordedIds].some((id) => id.startsWith(`${stem}/`));
  const recorded = files.filter(isRecorded);
  if (recorded.length > 0) return recorded;
  const original = files.filter(({ path }) => /\.jsonl(\.gz)?$/.test(path));
  return original.length > 0 ? original : files;
}

interface Question {
  readonly stem: string;
  readonly options: readonly string[];
  readonly labels: readonly string[];
  /** Place of the right option; null where the set does not say. */
  readonly answer: number | null;
}

function readQuestion(value: unknown): Question {
  const nested = fieldOf(value, 'question');
  const isOriginal = typeof nested === 'object' && nested !== null;
  const stem = isOriginal ? textOf(nested, 'stem') : textOf(value, 'question');
  const choices = fieldOf(isOriginal ? nested : value, 'choices');
  const [options, labels] = Array.isArray(choices)
    ? [choices.map((choice) => textOf(choice, 'text')), choices.map((choice) => textOf(choice, 'label'))]
    : [listOf(choices, 'text'), listOf(choices, 'label')];
  if (
    options.length < 2 ||
    options.length !== labels.length ||
    options.some((option) => option.trim() === '')
  )
    throw new RowFault(
      'missing option',
      `the question has ${options.length} options and ${labels.length} labels, some empty.`,
    );
  const key = fieldOf(value, 'answerKey');
  if (key === undefined || key === null || key === '') return { stem, options, labels, answer: null };
  // Labels are letters or digits: what counts is the place.
  const answer = labels.findIndex((label) => label === key);
  if (answer < 0)
    throw new RowFault(
      'answer out of range',
      `"answerKey" is ${JSON.stringify(key)}; the labels are ${labels.join(', ')}.`,
    );
  return { stem, options, labels, answer };
}

function listOf(choices: unknown, key: string): string[] {
  const list = fieldOf(choices, key);
  return Array.isArray(list) ? list.map(String) : [];
}

function shotOf({ value }: Row): Shot {
  const { stem, options, answer } = readQuestion(value);
  return { question: questionOf(stem), answer: ` ${options[answer ?? 0] ?? ''}` };
}

function questionOf(stem: string): string {
  return `Question: ${stem}\nAnswer:`;
}

function sampleOf({ index, value }: Row, file: SplitFile, shots: readonly Shot[]): Sample {
  const { stem, options, labels, answer } = readQuestion(value);
  const letters = optionLetters(options.length);
  const target = answer === null ? null : (letters[answer] ?? null);
  const lettered = letters.map((letter, place) => `${letter}. ${options[place] ?? ''}`);
  return {
    id: `${file.stem}/${index}`,
    file: file.stem,
    groups: [file.stem],
    target,
    prompt: { shots: [], question: [`Question: ${stem}`, ...lettered, 'Answer:'].join('\n') },
    choicePrompt: { shots, question: questionOf(stem) },
    choices: [
      { continuations: options.map((option) => ` ${option}`), texts: options, answer: answer ?? undefined },
    ],
    stop: ['\n\n'],
    maxNewTokens: 256,
    grade: (outputs) => graded(outputs, (output) => namedOption(output, letters, labels), target),
  };
}

/** By its letter; an output that is nothing but a label of the set counts by the label's place. */
function namedOption(output: string, letters: readonly string[], labels: readonly string[]): string | null {
  const place = labels.indexOf(strip(output));
  return letters[place] ?? (firstOption(output, letters.join('')) || null);
}
