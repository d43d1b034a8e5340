import { fieldOf } from '../../../json/index.js';
import { firstOption } from '../../graders/first-option.js';
import { optionLetters } from '../../graders/option-letters.js';
import { examplesOf } from '../../sets/examples.js';
import { type Row, RowFault, type SetReader, textOf, textsOf } from '../../sets/set-reader.js';
import { splitOf } from '../../sets/split.js';
import { graded, type LoadedSet, type LoadOptions, type Sample, type Shot, type Task } from '../../task.js';

export const gaokaoEnglish: Task = {
  name: 'gaokao-english',
  title: 'GAOKAO-English',
  version: 1,
  folder: 'gaokao-english',
  source: 'github.com/ExpressAI/AI-Gaokao',
  paper: 'Yuan & Liu 2022, reStructured Pre-training',
  deviations: [
    'sub-sets with options alone (listening, both clozes with options, reading): the others are not single choice',
    'the prompt is ours: the published runs do not say theirs',
  ],
  defaultShots: 5,
  defaultMode: 'loglikelihood',
  takesCot: false,
  load,
};

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const files = reader.files().map(splitOf);
  const { shots, notes } = await examplesOf(
    reader,
    files.filter(({ split }) => split === 'train' || split === 'dev'),
    options,
    ({ value }) => {
      const { question, letters, answer } = readQuestion(value);
      return { question, answer: ` ${letters[answer] ?? ''}` };
    },
  );
  const samples: Sample[] = [];
  const leftOut: string[] = [];
  for (const file of files.filter(({ split }) => split === (options.split ?? 'test'))) {
    const rows = await reader.rows(file);
    if (rows.every(({ value }) => fieldOf(value, 'options') === undefined)) leftOut.push(file.stem);
    else samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file.stem, shots)));
  }
  if (samples.length === 0) reader.refuse('records of {"context", "options", "answer"}');
  const others = leftOut.length === 0 ? [] : [`not single choice, left out: ${leftOut.join(', ')}`];
  return { samples, notes: [...notes, ...others] };
}

interface Question {
  readonly question: string;
  readonly letters: readonly string[];
  readonly answer: number;
}

function readQuestion(value: unknown): Question {
  const options = textsOf(value, 'options');
  if (options.length < 2 || options.some((option) => option.trim() === ''))
    throw new RowFault(
      'missing option',
      `"options" has ${options.length} texts, some empty; two or more are needed.`,
    );
  const right = textOf(value, 'answer');
  const answer = options.findIndex((option) => same(option, right));
  if (answer < 0)
    throw new RowFault('answer out of range', `"answer" is ${JSON.stringify(right)}, none of the options.`);
  const letters = optionLetters(options.length);
  const mark = fieldOf(value, 'question_mark');
  const asked = typeof mark === 'string' ? `Which option fits at ${mark}?` : textOf(value, 'question');
  const lines = letters.map((letter, place) => `${letter}. ${options[place] ?? ''}`);
  return { question: [textOf(value, 'context'), asked, ...lines, 'Answer:'].join('\n'), letters, answer };
}

/** The published answers end with a dot where the options may not. */
function same(option: string, answer: string): boolean {
  const bare = (text: string): string => text.trim().replace(/\.$/, '');
  return bare(option) === bare(answer);
}

function sampleOf({ index, value }: Row, stem: string, shots: readonly Shot[]): Sample {
  const { question, letters, answer } = readQuestion(value);
  const target = letters[answer] ?? null;
  return {
    id: `${stem}/${index}`,
    file: stem,
    groups: [stem],
    target,
    prompt: { shots, question },
    choices: [{ continuations: letters.map((letter) => ` ${letter}`), answer }],
    stop: ['\n\n'],
    maxNewTokens: 256,
    grade: (outputs) => graded(outputs, (output) => firstOption(output, letters.join('')) || null, target),
  };
}
