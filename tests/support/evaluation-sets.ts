/** Small evaluation sets of our own, in the published file forms, and models that need no weights. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { AnswerHooks, LanguageModel, ModelQuestion } from '../../src/evaluation/model/language-model.js';

const letters = ['A', 'B', 'C', 'D'];

/** Rows whose right option is the letter of their place. */
function letterRows(count: number): string[][] {
  return Array.from({ length: count }, (_, index) => [
    `question, number ${index}`,
    'one',
    'two',
    'three',
    'four',
    letters[index % 4] ?? 'A',
  ]);
}

function csv(rows: readonly (readonly string[])[]): string {
  return rows
    .map((row) => `${row.map((cell) => (cell.includes(',') ? `"${cell}"` : cell)).join(',')}\n`)
    .join('');
}

function lines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** Files of every set by their paths below the root. */
export function evaluationSets(): Record<string, string | Buffer> {
  const numbered = (header: string, count: number): string =>
    `\ufeff${header}\n${csv(letterRows(count).map((row, index) => [String(index), ...row]))}`;
  const arc = (label: (place: number) => string): object[] =>
    letters.map((letter, index) => ({
      id: `q${index}`,
      question: {
        stem: `Which is ${letter}?`,
        choices: letters.map((text, place) => ({ text: `the letter ${text}`, label: label(place) })),
      },
      answerKey: label(index),
    }));
  return {
    'mmlu/dev/anatomy_dev.csv': csv(letterRows(5)),
    'mmlu/test/anatomy_test.csv': csv(letterRows(8)),
    'mmlu/test/virology_test.csv': csv(letterRows(4)),
    'mmlu/dev/virology_dev.csv': csv(letterRows(5)),
    'ceval/val/law_val.csv': numbered('id,question,A,B,C,D,answer', 4),
    'ceval/dev/law_dev.csv': `id,question,A,B,C,D,answer,explanation\n${csv(letterRows(5).map((row, index) => [String(index), ...row, 'because']))}`,
    'cmmlu/test/anatomy.csv': numbered(',Question,A,B,C,D,Answer', 4),
    'cmmlu/dev/anatomy.csv': numbered(',Question,A,B,C,D,Answer', 5),
    'financeiq/test/税务师.csv': numbered(',Question,A,B,C,D,Answer', 4),
    'financeiq/dev/税务师.csv': numbered(',Question,A,B,C,D,Answer', 5),
    'agieval/sat-math.jsonl': lines(
      letters.map((label) => ({
        passage: '',
        question: `say ${label}`,
        options: letters.map((each) => `(${each})${each}`),
        label,
      })),
    ),
    'agieval/gaokao-physics.jsonl': lines([
      {
        passage: null,
        question: 'both',
        options: ['(A)1', '(B)2', '(C)3', '(D)4'],
        label: ['A', 'C'],
        answer: null,
      },
    ]),
    'agieval/math.jsonl': lines([
      { passage: null, question: '1+1', options: null, label: null, answer: '2' },
    ]),
    'arc/ARC-Easy/ARC-Easy-Dev.jsonl': lines(arc((place) => letters[place] ?? '')),
    'arc/ARC-Challenge/ARC-Challenge-Test.jsonl': lines(arc((place) => String(place + 1))),
    'gaokao/Obj_Prompt.json': JSON.stringify({
      examples: [
        { type: 'single_choice', keyword: '2010-2022_Math_I_MCQs', prefix_prompt: 'Choose.' },
        { type: 'multi_choice', keyword: '2010-2022_Physics_MCQs', prefix_prompt: 'Choose all.' },
        { type: 'five_out_of_seven', keyword: '2012-2022_English_Cloze_Test', prefix_prompt: 'Choose five.' },
        { type: 'multi_question_choice', keyword: '2010-2022_Geography_MCQs', prefix_prompt: 'Choose each.' },
      ],
    }),
    'gaokao/2010-2022_Math_I_MCQs.json': gaokao([
      { answer: ['A'], score: 5 },
      { answer: ['D'], score: 5 },
    ]),
    'gaokao/2010-2022_Physics_MCQs.json': gaokao([{ answer: ['AC'], score: 6 }]),
    'gaokao/2012-2022_English_Cloze_Test.json': gaokao([{ answer: ['A', 'B', 'C', 'D', 'G'], score: 2 }]),
    'gaokao/2010-2022_Geography_MCQs.json': gaokao([{ answer: ['A', 'B'], score: 4 }]),
    'gaokao-english/reading-multiple-choice.json': JSON.stringify({
      context: 'A text.',
      question: 'Which?',
      options: ['this', 'that', 'those', 'these'],
      answer: 'that',
    }),
    'gaokao-english/writing-essay.json': JSON.stringify({ question: 'write' }),
    'gsm8k/train.jsonl': lines(
      Array.from({ length: 4 }, (_, n) => ({ question: `${n}+1?`, answer: `so\n#### ${n + 1}` })),
    ),
    'gsm8k/test.jsonl': lines([
      { question: '2+2?', answer: 'four\n#### 4' },
      { question: '900+99?', answer: 'more\n#### 1,999' },
    ]),
    'math/test/algebra/2.json': problem('algebra', 'Level 1', '2'),
    'math/test/algebra/10.json': problem('algebra', 'Level 2', '\\frac{1}{2}'),
    'humaneval/HumanEval.jsonl.gz': gzipSync(
      lines([
        {
          task_id: 'HumanEval/0',
          prompt: 'def add(a, b):\n',
          canonical_solution: '    return a + b\n',
          test: 'def check(candidate):\n    assert candidate(1, 2) == 3\n',
          entry_point: 'add',
        },
      ]),
    ),
    'bbh/navigate.json': JSON.stringify({ examples: [{ input: 'go?', target: 'Yes' }] }),
    'bbh/logical_deduction_three_objects.json': JSON.stringify({
      examples: [{ input: 'which?', target: '(A)' }],
    }),
    'bbh/logical_deduction_five_objects.json': JSON.stringify({
      examples: [{ input: 'which?', target: '(B)' }],
    }),
    'hellaswag/hellaswag_val.jsonl': lines(
      letters.map((letter, label) => ({
        ind: label,
        activity_label: 'Work',
        ctx_a: 'A man [step] works.',
        ctx_b: 'he',
        endings: letters.map((each) => `writes the letter ${each}.`),
        label,
        source_id: `wikihow~${letter}`,
      })),
    ),
  };
}

function gaokao(items: readonly { readonly answer: readonly string[]; readonly score: number }[]): string {
  return JSON.stringify({
    example: items.map((item, index) => ({ index, question: ` which ${index}? `, ...item })),
  });
}

function problem(type: string, level: string, answer: string): string {
  return JSON.stringify({
    problem: `what is ${answer}?`,
    level,
    type,
    solution: `It is $\\boxed{${answer}}$.`,
  });
}

/** @returns the root */
export function writeSets(
  root: string,
  sets: Readonly<Record<string, string | Buffer>> = evaluationSets(),
): string {
  for (const [path, content] of Object.entries(sets)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** A model that is a function of the question. */
export class FakeModel implements LanguageModel {
  readonly identity = { path: 'fake', model: { fake: '0' }, tokenizer: null, adapter: null, dtype: null };
  readonly forms = ['chat', 'plain'] as const;
  readonly usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  readonly asked: ModelQuestion[] = [];
  readonly #answer: (question: ModelQuestion, index: number, hooks: AnswerHooks) => void;

  constructor(answer: (question: ModelQuestion, index: number, hooks: AnswerHooks) => void) {
    this.#answer = answer;
  }

  async answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void> {
    for (const [index, question] of questions.entries()) {
      this.asked.push(question);
      this.#answer(question, index, hooks);
    }
  }

  dispose(): void {}
}
