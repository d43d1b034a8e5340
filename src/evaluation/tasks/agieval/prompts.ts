/** AGIEval's prompts in its four settings. */
import { InputError } from '../../../errors/index.js';
import { readRecords } from '../../../formats/index.js';
import { optionLetters } from '../../graders/option-letters.js';
import { type PythonValue, parsePythonLiteral } from '../../graders/python-literal.js';
import type { SetReader } from '../../sets/set-reader.js';
import type { Prompt, Shot } from '../../task.js';
import type { Language } from './extraction.js';
import { NOT_IN_THE_PAPER, type SubSet } from './sub-sets.js';

export interface AgiQuestion {
  readonly passage: string;
  readonly question: string;
  readonly options: readonly string[];
}

export function zeroShotPrompt(question: AgiQuestion, subSet: SubSet): Prompt {
  return { shots: [], question: `${stated(question, subSet)}${CUES[subSet.language](question, subSet)}` };
}

const CUES: Readonly<Record<Language, (question: AgiQuestion, subSet: SubSet) => string>> = {
  en: ({ options }, { kind }) =>
    kind === 'cloze' ? 'A: The answer is' : `A: Among A through ${lastLetter(options, 'en')}, the answer is`,
  zh: ({ options }, { kind }) =>
    kind === 'cloze' ? '答案：' : `答案：从A到${lastLetter(options, 'zh')}, 我们应选择`,
};

function stated({ passage, question, options }: AgiQuestion, { language, kind }: SubSet): string {
  const choices = { en: ` Answer Choices: ${options.join(' ')}`, zh: ` 选项：${options.join(' ')}` }[
    language
  ];
  const lead = { en: 'Q: ', zh: '问题：' }[language];
  return `${passage}${lead}${question}${kind === 'cloze' ? '' : choices}\n`;
}

/** A list of one is taken for options that were not split. */
function lastLetter(options: readonly string[], language: Language): string {
  const count = options.length === 1 ? { en: 5, zh: 4 }[language] : options.length;
  return optionLetters(count).at(-1) ?? '';
}

/** Thoughts first, the answer is asked for afterwards. */
export function zeroShotCotPrompts(
  question: AgiQuestion,
  subSet: SubSet,
): { readonly first: Prompt; readonly second: (output: string) => Prompt } {
  const { language, kind } = subSet;
  const cue =
    language === 'en'
      ? `${kind === 'cloze' ? 'A: ' : ''}Let's think step by step.`
      : kind === 'cloze'
        ? '答案：让我们逐步思考：'
        : `从A到${lastLetter(question.options, 'zh')}, 我们应选择什么？让我们逐步思考：`;
  const first = `${stated(question, subSet)}${cue}`;
  const end =
    language === 'en'
      ? `Therefore, ${kind === 'cloze' ? '' : 'among A through E, '}the answer is`
      : kind === 'cloze'
        ? '因此，答案是'
        : '因此，从A到D, 我们应选择';
  return {
    first: { shots: [], question: first },
    second: (output) => ({ shots: [], question: `${first}\n${output}\n${end}` }),
  };
}

const FEW_SHOT = {
  en: {
    header: 'Here are the answers for the problems in the exam.\n',
    problem: (n: number): string => `Problem ${n}.   `,
    options: 'Choose from the following options:    ',
    explanation: (n: number): string => `Explanation for Problem ${n}:   `,
    answer: 'The answer is therefore ',
  },
  zh: {
    header: '以下是考试中各个问题的答案。\n',
    problem: (n: number): string => `问题 ${n}.   `,
    options: '从以下选项中选择:    ',
    explanation: (n: number): string => `问题 ${n}的解析:   `,
    answer: '答案是 ',
  },
} as const;

export interface Example extends AgiQuestion {
  readonly explanation: string;
  readonly answer: string;
}

export function fewShotPrompt(
  question: AgiQuestion,
  subSet: SubSet,
  examples: readonly Example[],
  isCot: boolean,
): Prompt {
  const texts = FEW_SHOT[subSet.language];
  const shots = examples.map((example, index): Shot => {
    const thoughts = isCot ? `${texts.explanation(index + 1)}${example.explanation}\n` : '';
    return {
      question: numbered(example, subSet, index + 1),
      answer: `${thoughts}${texts.answer}${example.answer}`,
    };
  });
  return { header: texts.header, shots, question: numbered(question, subSet, shots.length + 1) };
}

function numbered(
  { passage, question, options }: AgiQuestion,
  { language, kind }: SubSet,
  n: number,
): string {
  const texts = FEW_SHOT[language];
  if (kind === 'cloze') return `${texts.problem(n)}${question}\n`;
  return `${texts.problem(n)}${passage} ${question}\n${texts.options}${options.join(' ')}\n`;
}

/** How the answer begins, for options compared by log-likelihood. */
export function fewShotLead({ language }: SubSet): string {
  return FEW_SHOT[language].answer.trimEnd();
}

/** The worked examples of every sub-set, from few_shot_prompts.csv: rows in pairs, a question and its explanation. */
export async function readExamples(reader: SetReader): Promise<(subSet: string) => readonly Example[]> {
  const path = reader.find('agieval/few_shot_prompts.csv', '../eval-prompts/agieval/few_shot_prompts.csv');
  if (path === undefined)
    throw new InputError(
      `agieval: the worked examples (few_shot_prompts.csv) are not in ${reader.folder}; put them there, or give --shots 0.`,
    );
  reader.use(path);
  const rows: unknown[] = [];
  for await (const { value } of readRecords(path)) rows.push(value);
  const cell = (row: unknown, name: string): string => {
    const text: unknown = typeof row === 'object' && row !== null ? Reflect.get(row, name) : undefined;
    return typeof text === 'string' ? text : '';
  };
  return (subSet) => {
    const hasNoPassage = subSet === NOT_IN_THE_PAPER;
    const column = hasNoPassage ? 'sat-en' : subSet;
    const contexts = rows.filter((_, index) => index % 2 === 0).map((row) => cell(row, column));
    const explanations = rows.filter((_, index) => index % 2 === 1).map((row) => cell(row, column));
    const told = explanations.filter((text) => text !== '');
    return contexts
      .filter((text) => text !== '')
      .slice(0, told.length)
      .map((text, index) => {
        const example = exampleOf(parsePythonLiteral(text, `${path}: ${column}`), told[index] ?? '');
        return hasNoPassage ? { ...example, passage: '' } : example;
      });
  };
}

function exampleOf(value: PythonValue, explanation: string): Example {
  const field = (name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  const text = (name: string): string => {
    const found = field(name);
    return typeof found === 'string' ? found : '';
  };
  const options = field('options');
  const label = field('label');
  return {
    passage: text('passage'),
    question: text('question'),
    options: Array.isArray(options) ? options.map(String) : [],
    explanation: explanation.replaceAll('\n\n', '\n'),
    answer: Array.isArray(label)
      ? `[${label.map((each) => `'${String(each)}'`).join(', ')}]`
      : text('label') || text('answer'),
  };
}
