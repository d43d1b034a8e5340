import { fieldOf } from '../../../json/index.js';
import { firstOption } from '../../graders/first-option.js';
import { optionLetters } from '../../graders/option-letters.js';
import { examplesOf } from '../../sets/examples.js';
import { type Row, RowFault, type SetReader, textOf, textsOf } from '../../sets/set-reader.js';
import { filesOfSplit, splitOf } from '../../sets/split.js';
import { graded, type LoadedSet, type LoadOptions, type Sample, type Shot, type Task } from '../../task.js';
import { capitalized, cleaned } from './context.js';

export const hellaswag: Task = {
  name: 'hellaswag',
  title: 'HellaSwag',
  version: 2,
  folder: 'hellaswag',
  source: 'github.com/rowanz/hellaswag',
  paper: 'Zellers et al. 2019, HellaSwag: Can a Machine Really Finish Your Sentence?',
  deviations: ['written answers choose among lettered endings, which no published form does'],
  defaultShots: 0,
  defaultMode: 'loglikelihood',
  takesCot: false,
  load,
};

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const files = reader.files().map(splitOfPart);
  const chosen = filesOfSplit(files, options.split === undefined ? ['val', 'test'] : [options.split]);
  if (chosen === undefined) return reader.refuse('file of the validation split');
  const { shots, notes } = await examplesOf(
    reader,
    files.filter(({ split }) => split === 'train'),
    options,
    shotOf,
  );
  const samples: Sample[] = [];
  for (const file of chosen.files) {
    const rows = await reader.rows(file);
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, file.stem, shots)));
  }
  if (samples.length === 0) reader.refuse('lines of {"ctx", "endings", "label"}');
  return { samples, notes };
}

/** "hellaswag_val", "hellaswag_val_part". */
function splitOfPart(file: Parameters<typeof splitOf>[0]): ReturnType<typeof splitOf> {
  const named = /(?:^|_)(train|val|test)(?:_|$)/.exec(file.stem)?.[1];
  return { ...splitOf(file), ...(named !== undefined && { split: named }) };
}

function contextOf(value: unknown): string {
  const [a, b] = [fieldOf(value, 'ctx_a'), fieldOf(value, 'ctx_b')];
  const context =
    typeof a === 'string' && typeof b === 'string' ? `${a} ${capitalized(b)}` : textOf(value, 'ctx');
  return cleaned(`${textOf(value, 'activity_label')}: ${context}`);
}

function endingsOf(value: unknown): string[] {
  const endings = textsOf(value, 'endings');
  if (endings.length < 2 || endings.some((ending) => ending.trim() === ''))
    throw new RowFault(
      'missing option',
      `"endings" has ${endings.length} texts, some empty; two or more are needed.`,
    );
  return endings.map(cleaned);
}

/** Null where the set keeps it: "" in the test split. */
function labelOf(value: unknown, count: number): number | null {
  const label = fieldOf(value, 'label');
  if (label === undefined || label === null || label === '') return null;
  const place = /^\d+$/.test(String(label)) ? Number(label) : Number.NaN;
  if (place < count) return place;
  throw new RowFault(
    'answer out of range',
    `"label" is ${String(label)}; a place from 0 to ${count - 1} is needed.`,
  );
}

function shotOf({ value }: Row): Shot {
  const endings = endingsOf(value);
  return { question: contextOf(value), answer: ` ${endings[labelOf(value, endings.length) ?? 0] ?? ''}` };
}

function sampleOf({ index, value }: Row, stem: string, shots: readonly Shot[]): Sample {
  const endings = endingsOf(value);
  const label = labelOf(value, endings.length);
  const letters = optionLetters(endings.length);
  const context = contextOf(value);
  const target = label === null ? null : (letters[label] ?? null);
  const source = fieldOf(value, 'source_id');
  return {
    id: `${stem}/${index}`,
    file: stem,
    // "activitynet~v_…", "wikihow~…": the two halves of the set.
    groups: [...(typeof source === 'string' ? [source.split('~')[0] ?? ''] : []), stem],
    target,
    prompt: { shots: [], question: letteredQuestion(context, letters, endings) },
    choicePrompt: { shots, question: context },
    choices: [
      { continuations: endings.map((ending) => ` ${ending}`), texts: endings, answer: label ?? undefined },
    ],
    stop: ['\n\n'],
    maxNewTokens: 256,
    grade: (outputs) => graded(outputs, (output) => firstOption(output, letters.join('')) || null, target),
  };
}

function letteredQuestion(context: string, letters: readonly string[], endings: readonly string[]): string {
  const options = letters.map((letter, place) => `${letter}. ${endings[place] ?? ''}`);
  return ['Which ending continues the text?', context, ...options, 'Answer:'].join('\n');
}
