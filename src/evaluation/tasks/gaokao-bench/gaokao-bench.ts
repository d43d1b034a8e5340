import { InputError } from '../../../errors/index.js';
import { fieldOf } from '../../../json/index.js';
import { optionLetters } from '../../graders/option-letters.js';
import { strip } from '../../graders/python-text.js';
import { RowFault, type SetFile, type SetReader, textOf, textsOf } from '../../sets/set-reader.js';
import type { Choice, LoadedSet, LoadOptions, Sample, Task } from '../../task.js';
import { extractAnswers, isSubForm, pointsOf, possiblePoints, type SubForm } from './sub-forms.js';

export const gaokaoBench: Task = {
  name: 'gaokao-bench',
  title: 'GAOKAO-Bench',
  version: 1,
  folder: 'gaokao',
  source: 'github.com/OpenLMLab/GAOKAO-Bench, objective questions',
  paper: 'Zhang et al. 2023, Evaluating the Performance of Large Language Models on GAOKAO Benchmark',
  deviations: ['by log-likelihoods each question of an item is compared alone, behind its number'],
  defaultShots: undefined,
  defaultMode: 'generate',
  takesCot: false,
  load,
};

const PROMPTS = 'Obj_Prompt';

interface FileForm {
  readonly form: SubForm;
  readonly prefix: string;
}

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const files = reader.files().filter(({ folders }) => folders.length === 0);
  const forms = await readForms(reader, files);
  const samples: Sample[] = [];
  for (const file of files) {
    const form = forms.get(file.stem);
    if (form === undefined || (options.isSingleChoiceOnly && form.form !== 'single_choice')) continue;
    const items = fieldOf(await reader.whole(file), 'example');
    if (!Array.isArray(items)) {
      reader.problems.add('other form', file.stem, `${file.path} has no list "example".`);
      continue;
    }
    const rows = items.map((value: unknown, index) => ({
      index,
      source: `${file.path}: example ${index}`,
      value,
    }));
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file, form, options)));
  }
  if (samples.length === 0) reader.refuse(`file of {"keywords", "example": […]} that ${PROMPTS}.json names`);
  return { samples, notes: [] };
}

async function readForms(reader: SetReader, files: readonly SetFile[]): Promise<Map<string, FileForm>> {
  const file = files.find(({ stem }) => stem === PROMPTS);
  if (file === undefined) return reader.refuse(`${PROMPTS}.json, which names the sub-form of each file`);
  const listed = fieldOf(await reader.whole(file), 'examples');
  const forms = new Map<string, FileForm>();
  for (const each of Array.isArray(listed) ? listed : []) {
    const form = fieldOf(each, 'type');
    const keyword = fieldOf(each, 'keyword');
    const prefix = fieldOf(each, 'prefix_prompt');
    if (typeof keyword === 'string' && typeof prefix === 'string' && isSubForm(form))
      forms.set(keyword, { form, prefix });
  }
  if (forms.size === 0)
    throw new InputError(`${file.path}: no {"type", "keyword", "prefix_prompt"} of a known sub-form in it.`);
  return forms;
}

interface Item {
  readonly index: number;
  readonly value: unknown;
}

function sampleOf(
  { index, value }: Item,
  file: SetFile,
  { form, prefix }: FileForm,
  options: LoadOptions,
): Sample {
  const answers = textsOf(value, 'answer');
  const score = fieldOf(value, 'score');
  if (answers.length === 0) throw new RowFault('missing answer', '"answer" is empty.');
  if (typeof score !== 'number' || !(score > 0))
    throw new RowFault('wrong field', `"score" is ${JSON.stringify(score)}; a number of points is needed.`);
  const wrong = answers.find((answer) => !ANSWERS[form].test(answer));
  if (wrong !== undefined)
    throw new RowFault(
      'answer out of range',
      `the answer ${JSON.stringify(wrong)} is none of a ${form} item.`,
    );
  return {
    id: `${file.stem}/${index}`,
    file: file.stem,
    groups: [subjectOf(file.stem), file.stem],
    target: answers,
    maxPoints: possiblePoints(form, answers.length, score),
    prompt: options.needsPrompts
      ? { system: prefix, shots: [], question: `${strip(textOf(value, 'question'))}\n` }
      : undefined,
    choices: choicesOf(form, answers.length),
    outputOfChoices: (chosen) => outputOf(form, chosen),
    maxNewTokens: 1024,
    grade: (outputs) => {
      const extracted = extractAnswers(form, outputs[0] ?? '', answers.length);
      const points = pointsOf(form, extracted, answers, score);
      const most = possiblePoints(form, answers.length, score);
      return { extracted, isCorrect: [points === most], points };
    },
  };
}

const ANSWERS: Readonly<Record<SubForm, RegExp>> = {
  single_choice: /^[A-D]$/,
  multi_question_choice: /^[A-Z]$/,
  multi_choice: /^[A-D]{1,4}$/,
  five_out_of_seven: /^[A-G]$/,
};

/** "2010-2022_Math_II_MCQs" -> "Math", as the published table sums them. */
function subjectOf(stem: string): string {
  const name = stem.replace(/^\d{4}-\d{4}_/, '').replace(/_MCQs$/, '');
  const shared = ['English', 'Math', 'Chinese'].find((subject) => name.startsWith(subject));
  return shared ?? name;
}

/** Each non-empty set of the four letters. */
const SETS = Array.from({ length: 15 }, (_, place) =>
  optionLetters(4)
    .filter((_letter, bit) => ((place + 1) >> bit) % 2 === 1)
    .join(''),
);

function lettersOf(form: SubForm): readonly string[] {
  switch (form) {
    case 'single_choice':
    case 'multi_question_choice':
      return optionLetters(4);
    case 'multi_choice':
      return SETS;
    case 'five_out_of_seven':
      return optionLetters(7);
  }
}

function choicesOf(form: SubForm, count: number): Choice[] {
  const continuations = lettersOf(form).map((letters) => letters);
  return Array.from({ length: count }, (_, place) => ({
    lead: count === 1 ? '【答案】' : `（${place + 1}）【答案】`,
    continuations,
  }));
}

function outputOf(form: SubForm, chosen: readonly number[]): string {
  const letters = lettersOf(form);
  const answers = chosen.map((place) => letters[place] ?? '');
  // In front of a mark that begins the text the mark would not count.
  return form === 'five_out_of_seven'
    ? answers.join(' ')
    : answers.map((answer) => ` ．【答案】${answer}`).join('\n');
}
