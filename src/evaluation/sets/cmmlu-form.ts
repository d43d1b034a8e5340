/** The files and prompts of CMMLU, which FinanceIQ was published in, too. */
import type { LetterChoiceForm } from './letter-choice.js';

export const CMMLU_FORM: Omit<LetterChoiceForm, 'subjects'> = {
  splits: ['test', 'val'],
  header: ['Question', 'A', 'B', 'C', 'D', 'Answer'],
  heading: (subject) => `以下是关于${subject}的单项选择题，请直接给出正确答案的选项。\n\n`,
  lead: '题目：',
  cue: '答案是：',
  blank: '',
};
