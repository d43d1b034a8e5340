import { fieldOf } from '../../../json/index.js';
import { isEquivalentMath } from '../../graders/hendrycks-math.js';
import { optionLetters } from '../../graders/option-letters.js';
import { type Row, RowFault, type SetFile, type SetReader, textOf, textsOf } from '../../sets/set-reader.js';
import type { Choice, Grade, LoadedSet, LoadOptions, Sample, Task } from '../../task.js';
import { extractCloze, extractOne, extractSeveral, type Setting } from './extraction.js';
import {
  type AgiQuestion,
  type Example,
  fewShotLead,
  fewShotPrompt,
  readExamples,
  zeroShotCotPrompts,
  zeroShotPrompt,
} from './prompts.js';
import { NOT_IN_THE_PAPER, SUB_SETS, type SubSet } from './sub-sets.js';

const inSets = (all: readonly string[]): readonly string[] =>
  all.filter((name) => Object.hasOwn(SUB_SETS, name));

export const agieval: Task = {
  name: 'agieval',
  title: 'AGIEval',
  version: 1,
  folder: 'agieval',
  source: 'github.com/ruixiangcui/AGIEval (v1.0)',
  paper: 'Zhong et al. 2023, AGIEval: A Human-Centric Benchmark for Evaluating Foundation Models',
  deviations: [
    'examples are dropped from the end where they do not fit the model, not beyond 2048 tokens of another tokenizer',
    "in the few-shot form the label of a question with several answers is shown as the authors' code shows it",
  ],
  defaultShots: 0,
  defaultMode: 'generate',
  takesCot: true,
  averages: [
    { over: 'sub-sets', groups: inSets },
    {
      over: 'the 20 sub-sets of the paper',
      groups: (all) => inSets(all).filter((name) => name !== NOT_IN_THE_PAPER),
    },
  ],
  load,
};

async function load(reader: SetReader, options: LoadOptions): Promise<LoadedSet> {
  const setting: Setting = { isFewShot: options.shots > 0, isCot: options.isCot };
  const examplesOf = options.needsPrompts && setting.isFewShot ? await readExamples(reader) : undefined;
  const samples: Sample[] = [];
  const notes: string[] = [];
  for (const file of reader.files().filter(({ path }) => !/\.(csv|tsv)$/i.test(path))) {
    const subSet = Object.hasOwn(SUB_SETS, file.stem) ? SUB_SETS[file.stem] : undefined;
    if (subSet === undefined) {
      reader.problems.add(
        'unknown sub-set',
        file.stem,
        `${file.path}: AGIEval has no sub-set "${file.stem}".`,
      );
      continue;
    }
    if (options.isSingleChoiceOnly && subSet.kind !== 'one') continue;
    const examples = (examplesOf?.(file.stem) ?? []).slice(0, options.shots);
    if (examplesOf !== undefined && examples.length < options.shots)
      notes.push(`${file.stem}: ${examples.length} shots, there are no more`);
    const rows = await reader.rows(file);
    const parts = { file, subSet, setting, examples, needsPrompts: options.needsPrompts };
    samples.push(...reader.readEach(rows, file, (row) => sampleOf(row, parts)));
  }
  if (samples.length === 0)
    reader.refuse('lines of {"passage", "question", "options", "label" | "answer"} of a known sub-set');
  return { samples, notes };
}

interface SampleParts {
  readonly file: SetFile;
  readonly subSet: SubSet;
  readonly setting: Setting;
  readonly examples: readonly Example[];
  readonly needsPrompts: boolean;
}

function sampleOf({ index, value }: Row, parts: SampleParts): Sample {
  const { file, subSet, setting } = parts;
  const target = targetOf(value, subSet);
  const question: AgiQuestion = {
    passage: typeof fieldOf(value, 'passage') === 'string' ? textOf(value, 'passage') : '',
    question: textOf(value, 'question'),
    options: subSet.kind === 'cloze' ? [] : textsOf(value, 'options'),
  };
  if (subSet.kind !== 'cloze' && question.options.length === 0)
    throw new RowFault('missing option', '"options" is empty.');
  return {
    id: `${file.stem}/${index}`,
    file: file.stem,
    groups: [file.stem, subSet.language === 'en' ? 'English' : 'Chinese'],
    target,
    ...(parts.needsPrompts && promptsOf(question, parts)),
    choices: choicesOf(question, target, parts),
    outputOfChoices: subSet.kind === 'several' ? ([set = 0]) => SETS[set] ?? '' : undefined,
    reference: subSet.kind === 'cloze' && typeof target === 'string' ? ` ${target}` : undefined,
    stop: setting.isFewShot ? ['\n\n'] : ['\n\n', 'Q: ', '问题：'],
    maxNewTokens: subSet.kind === 'cloze' || setting.isCot ? 512 : 64,
    grade: ([output = '']) => gradeOutput(output, target, subSet, setting),
  };
}

/** `label`, where that is empty `answer`. */
function targetOf(value: unknown, { kind }: SubSet): string | readonly string[] {
  const label = fieldOf(value, 'label');
  const isEmpty =
    label === undefined || label === null || label === '' || (Array.isArray(label) && label.length === 0);
  const target = isEmpty ? fieldOf(value, 'answer') : label;
  // One row of the set has no right answer at all: it counts, and nothing is right.
  if (kind === 'several' && (target === null || target === undefined)) return [];
  const isLetters = (text: string): boolean => /^[A-G]( ?[A-G])*$/.test(text);
  if (Array.isArray(target)) {
    const texts = target.map(String);
    // One label lists a full stop among its letters: it counts too, and no set of letters equals it.
    if (texts.some(isLetters)) return texts;
  } else if (typeof target === 'string' && (kind === 'cloze' ? target !== '' : isLetters(target)))
    return target;
  throw new RowFault(
    'answer out of range',
    `"label" is ${JSON.stringify(label)} and "answer" ${JSON.stringify(fieldOf(value, 'answer'))}.`,
  );
}

function promptsOf(question: AgiQuestion, { subSet, setting, examples }: SampleParts): Partial<Sample> {
  if (setting.isFewShot) return { prompt: fewShotPrompt(question, subSet, examples, setting.isCot) };
  const choicePrompt = zeroShotPrompt(question, subSet);
  if (!setting.isCot) return { prompt: choicePrompt };
  const { first, second } = zeroShotCotPrompts(question, subSet);
  return { prompt: first, secondPrompt: second, choicePrompt };
}

/** Each non-empty set of four letters. */
const SETS = Array.from({ length: 15 }, (_, place) =>
  optionLetters(4)
    .filter((_letter, bit) => ((place + 1) >> bit) % 2 === 1)
    .join(''),
);

function choicesOf(
  { options }: AgiQuestion,
  target: string | readonly string[],
  { subSet, setting }: SampleParts,
): Choice[] | undefined {
  const blank = subSet.language === 'en' || setting.isFewShot ? ' ' : '';
  const lead = setting.isFewShot ? fewShotLead(subSet) : '';
  switch (subSet.kind) {
    case 'cloze':
      return undefined;
    case 'several':
      return [{ lead, continuations: SETS.map((set) => `${blank}${set}`) }];
    case 'one': {
      const letters = optionLetters(options.length);
      const answer = letters.findIndex((letter) => letter === target);
      // -1: no single option is right, whatever is chosen.
      return [{ lead, continuations: letters.map((letter) => `${blank}${letter}`), answer }];
    }
  }
}

function gradeOutput(
  output: string,
  target: string | readonly string[],
  { kind, language }: SubSet,
  setting: Setting,
): Grade {
  switch (kind) {
    case 'one': {
      const extracted = extractOne(output, setting, language);
      return { extracted: extracted || null, isCorrect: [extracted === target] };
    }
    case 'several': {
      const letters = extractSeveral(output, setting);
      return {
        extracted: letters,
        isCorrect: [isSameSet(letters, typeof target === 'string' ? [target] : target)],
      };
    }
    case 'cloze': {
      const extracted = extractCloze(output, setting);
      return { extracted, isCorrect: [typeof target === 'string' && isEquivalentMath(extracted, target)] };
    }
  }
}

function isSameSet(given: readonly string[], right: readonly string[]): boolean {
  const [a, b] = [new Set(given), new Set(right)];
  return b.size > 0 && a.size === b.size && [...a].every((each) => b.has(each));
}
