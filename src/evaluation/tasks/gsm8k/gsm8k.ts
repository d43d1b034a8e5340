import { fieldOf } from '../../../json/index.js';
import { examplesOf } from '../../sets/examples.js';
import { type Row, RowFault, type SetFile, type SetReader, textOf } from '../../sets/set-reader.js';
import { filesOfSplit, splitOf } from '../../sets/split.js';
import type { LoadedSet, LoadOptions, Sample, Shot, Task } from '../../task.js';
import { isSameNumber, lastFlexibleNumber, lastNumber, markedNumber, strictNumber } from './answers.js';

export const gsm8k: Task = {
  name: 'gsm8k',
  title: 'GSM8K',
  version: 2,
  folder: 'gsm8k',
  source: 'github.com/openai/grade-school-math',
  paper: 'Cobbe et al. 2021, Training Verifiers to Solve Math Word Problems',
  deviations: [
    'examples are the first of the training split, in file order; published runs draw them by seed or write their own',
    "the score is the authors' grader; strict_match and flexible_extract are those of lm-evaluation-harness, last_number is OpenCompass'",
  ],
  defaultShots: 4,
  defaultMode: 'generate',
  takesCot: false,
  metric: 'exact_match',
  otherMetrics: ['strict_match', 'flexible_extract', 'last_number'],
  load,
};

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const files = mainForm(reader.files()).map(splitOf);
  const chosen = filesOfSplit(files, [options.split ?? 'test']);
  if (chosen === undefined) return reader.refuse('file of the test split');
  const { shots, notes } = await examplesOf(
    reader,
    files.filter(({ split }) => split === 'train'),
    options,
    ({ value }) => shotOf(value),
  );
  const samples: Sample[] = [];
  for (const file of chosen.files) {
    const rows = await reader.rows(file);
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file.stem, shots)));
  }
  if (samples.length === 0) reader.refuse('lines of {"question", "answer"}');
  return { samples, notes };
}

/** The hub has the set twice: "socratic" tells the same solutions by questions. */
function mainForm(files: readonly SetFile[]): readonly SetFile[] {
  const main = files.filter(({ folders }) => folders.at(-1) === 'main');
  return main.length > 0 ? main : files;
}

function questionOf(value: unknown): string {
  return `Question: ${textOf(value, 'question')}\nAnswer:`;
}

function shotOf(value: unknown): Shot {
  return { question: questionOf(value), answer: ` ${textOf(value, 'answer')}` };
}

function sampleOf({ index, value }: Row, stem: string, shots: readonly Shot[]): Sample {
  const worked = textOf(value, 'answer');
  const target = markedNumber(worked);
  if (target === null)
    throw new RowFault(
      'answer out of range',
      `"answer" has no number behind "#### ": ${JSON.stringify(fieldOf(value, 'answer')).slice(0, 80)}`,
    );
  return {
    id: `${stem}/${index}`,
    file: stem,
    groups: [stem],
    target,
    prompt: { shots, question: questionOf(value) },
    reference: ` ${worked}`,
    stop: ['Question:'],
    maxNewTokens: 512,
    grade: ([output = '']) => {
      const extracted = markedNumber(output);
      return {
        extracted,
        isCorrect: [extracted === target],
        others: {
          strict_match: Number(strictNumber(output) === strictNumber(worked)),
          flexible_extract: Number(lastFlexibleNumber(output) === lastFlexibleNumber(target)),
          last_number: Number(isSameNumber(lastNumber(output), target)),
        },
      };
    },
  };
}
