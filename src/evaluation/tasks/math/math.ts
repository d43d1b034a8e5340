import { isEquivalentMath, lastBoxed } from '../../graders/hendrycks-math.js';
import { isSameMinervaText, isSameMinervaValue, minervaAnswer } from '../../graders/minerva-math.js';
import { examplesOf } from '../../sets/examples.js';
import { type Row, RowFault, type SetFile, type SetReader, textOf } from '../../sets/set-reader.js';
import { isShard, type SplitFile, splitOf } from '../../sets/split.js';
import type { LoadedSet, LoadOptions, Sample, Shot, Task } from '../../task.js';

export const math: Task = {
  name: 'math',
  title: 'MATH',
  version: 2,
  folder: 'math',
  source: 'github.com/hendrycks/math',
  paper: 'Hendrycks et al. 2021, Measuring Mathematical Problem Solving With the MATH Dataset',
  deviations: [
    "examples are those of few_shot_prompts.jsonl (Minerva's four fixed ones are not in the set), else the first of the training split",
    'minerva compares as lm-evaluation-harness does, but for its last step: in place of sympy the values of both formulas decide. ' +
      'Where that cannot be told (lists, sets, intervals) equal texts alone count, and minerva_undecided is the share of the others. ' +
      "Of what sympy reads only the beginning of ('3,4' is 3 to it) the whole counts here",
    'minerva_text counts equal texts alone: a lower bound',
  ],
  defaultShots: 4,
  defaultMode: 'generate',
  takesCot: false,
  metric: 'exact_match',
  otherMetrics: ['minerva', 'minerva_text', 'minerva_undecided'],
  load,
};

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const files = reader
    .files()
    .filter(({ stem }) => stem !== FEW_SHOT)
    .map(splitOf);
  const split = options.split ?? 'test';
  const measured = files.filter((file) => file.split === split);
  if (measured.length === 0) return reader.refuse(`problem of the ${split} split`);
  const { shots, notes } = await examplesOf(
    reader,
    fixedExamples(reader) ?? files.filter((file) => file.split === 'train'),
    options,
    ({ value }) => ({ question: questionOf(value), answer: ` ${textOf(value, 'solution')}` }),
  );
  const samples: Sample[] = [];
  for (const file of inNumberOrder(measured)) {
    const isOne = /\.json$/i.test(file.path);
    const rows = isOne
      ? [{ index: 0, source: file.path, value: await reader.whole(file) }]
      : await reader.rows(file);
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file, isOne, shots)));
  }
  if (samples.length === 0) reader.refuse('problem of {"problem", "level", "type", "solution"}');
  return { samples, notes };
}

const FEW_SHOT = 'few_shot_prompts';

/** Lines of {"problem", "solution"} that are no part of the set; undefined where nobody has put them there. */
function fixedExamples(reader: SetReader): readonly SplitFile[] | undefined {
  const places = [`math/${FEW_SHOT}.jsonl`, `../eval-prompts/math/${FEW_SHOT}.jsonl`];
  const location = reader.find(...places);
  if (location === undefined) return undefined;
  const file = { path: `${FEW_SHOT}.jsonl`, stem: FEW_SHOT, folders: [], location };
  return [{ ...splitOf(file), split: 'train' }];
}

/** By folder, then by number: 2 before 10. */
function inNumberOrder<File extends SetFile>(files: readonly File[]): File[] {
  const folderOf = ({ folders }: File): string => folders.join('/');
  return [...files].sort(
    (a, b) =>
      (folderOf(a) < folderOf(b) ? -1 : folderOf(a) > folderOf(b) ? 1 : 0) ||
      Number(a.stem) - Number(b.stem) ||
      (a.stem < b.stem ? -1 : 1),
  );
}

function questionOf(value: unknown): string {
  return `Problem:\n${textOf(value, 'problem')}\n\nSolution:`;
}

function sampleOf({ index, value }: Row, file: SetFile, isOne: boolean, shots: readonly Shot[]): Sample {
  const solution = textOf(value, 'solution');
  const target = lastBoxed(solution);
  if (target === null)
    throw new RowFault('answer out of range', '"solution" has no \\boxed{…} with the answer.');
  // Of the hub's form, too, the folder says what a file is of.
  const isOfFolder = isOne || isShard(file);
  const folder = (isOfFolder ? file.folders.at(-1) : undefined) ?? file.stem;
  const [type, level] = [textOf(value, 'type'), textOf(value, 'level')];
  return {
    id: `${folder}/${isOne ? file.stem : index}`,
    file: folder,
    groups: [...new Set([folder, type, level])],
    target,
    prompt: { shots, question: questionOf(value) },
    reference: ` ${solution}`,
    stop: ['Problem:'],
    maxNewTokens: 1024,
    grade: ([output = '']) => {
      const extracted = lastBoxed(output);
      return {
        extracted,
        isCorrect: [extracted !== null && isEquivalentMath(extracted, target)],
        others: minervaGrades(minervaAnswer(output), target),
      };
    },
  };
}

function minervaGrades(given: string, target: string): Readonly<Record<string, number>> {
  const isSame = isSameMinervaValue(given, target);
  return {
    minerva: Number(isSame === true),
    minerva_text: Number(isSameMinervaText(given, target)),
    minerva_undecided: Number(isSame === undefined),
  };
}
