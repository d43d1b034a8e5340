import { letterChoiceTask, overSubjects } from '../../sets/letter-choice.js';
import { SUBJECTS } from './subjects.js';

export const cmmlu = letterChoiceTask(
  {
    name: 'cmmlu',
    title: 'CMMLU',
    version: 1,
    folder: 'cmmlu',
    source: 'github.com/haonan-li/CMMLU',
    paper: 'Li et al. 2023, CMMLU: Measuring massive multitask language understanding in Chinese',
    deviations: [
      "written answers are read by OpenCompass' first_option; where the authors' own extraction draws a letter at random, " +
        'nothing is taken',
    ],
    averages: [overSubjects(SUBJECTS)],
  },
  {
    subjects: SUBJECTS,
    splits: ['test', 'val'],
    header: ['Question', 'A', 'B', 'C', 'D', 'Answer'],
    heading: (subject) => `以下是关于${subject}的单项选择题，请直接给出正确答案的选项。\n\n`,
    lead: '题目：',
    cue: '答案是：',
    blank: '',
  },
);
