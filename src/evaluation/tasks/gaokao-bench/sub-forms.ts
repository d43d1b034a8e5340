/** The four sub-forms of GAOKAO-Bench's objective questions: what is read in an output, and what it earns. */
import { lettersIn } from '../../graders/option-letters.js';
import { lastCharacters, PYTHON_SPACE, withoutSpace } from '../../graders/python-text.js';

export type SubForm = 'single_choice' | 'multi_choice' | 'multi_question_choice' | 'five_out_of_seven';

export function isSubForm(name: unknown): name is SubForm {
  return (
    name === 'single_choice' ||
    name === 'multi_choice' ||
    name === 'multi_question_choice' ||
    name === 'five_out_of_seven'
  );
}

const MARK = '【答案】';
const MARKED = new RegExp(`【答案】${PYTHON_SPACE}*[:：]*${PYTHON_SPACE}*([A-Z])`, 'gu');

/** @param count of answers that the item asks for */
export function extractAnswers(form: SubForm, output: string, count: number): string[] {
  switch (form) {
    case 'single_choice':
      return lettersIn(output, 'A-D').slice(-1);
    case 'multi_question_choice': {
      const marked = [...output.matchAll(MARKED)].map(([, letter = '']) => letter);
      return marked.length === count ? marked : lettersIn(output, 'A-Z').slice(0, count);
    }
    case 'multi_choice': {
      const text = withoutSpace(output);
      const mark = text.indexOf(MARK);
      // A mark that is the very first thing counts as none.
      const letters = lettersIn(mark > 0 ? text.slice(mark) : lastCharacters(text, 10), 'A-D').join('');
      return letters === '' ? [] : [letters];
    }
    case 'five_out_of_seven':
      return lettersIn(output, 'A-G').slice(0, 5);
  }
}

/** Physics has its own points, whatever the item says. */
const WHOLE_PHYSICS = 6;
const PART_PHYSICS = 3;

export function pointsOf(
  form: SubForm,
  given: readonly string[],
  right: readonly string[],
  score: number,
): number {
  if (given.length !== right.length) return 0;
  return right.reduce((sum, answer, place) => sum + pointsOfOne(form, given[place] ?? '', answer, score), 0);
}

function pointsOfOne(form: SubForm, given: string, right: string, score: number): number {
  if (form !== 'multi_choice') return given === right ? score : 0;
  if (given === right) return WHOLE_PHYSICS;
  return Array.from(given).every((letter) => right.includes(letter)) ? PART_PHYSICS : 0;
}

export function possiblePoints(form: SubForm, answers: number, score: number): number {
  return answers * (form === 'multi_choice' ? WHOLE_PHYSICS : score);
}
