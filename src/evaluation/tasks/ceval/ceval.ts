import { cevalChoice } from '../../graders/ceval-choice.js';
import { letterChoiceTask, overSubjects } from '../../sets/letter-choice.js';
import type { SubmittedAnswer } from '../../task.js';
import { SUBJECTS } from './subjects.js';

export const ceval = letterChoiceTask(
  {
    name: 'ceval',
    title: 'C-Eval',
    version: 1,
    folder: 'ceval',
    source: 'github.com/hkust-nlp/ceval',
    paper: 'Huang et al. 2023, C-Eval: A Multi-Level Multi-Discipline Chinese Evaluation Suite',
    deviations: [
      'measured on val unless it is absent: the labels of test are kept by the authors',
      "written answers are read by OpenCompass' first_option; ceval_extract reads them as the authors' code does without examples",
    ],
    averages: [overSubjects(SUBJECTS)],
    submission,
  },
  {
    subjects: SUBJECTS,
    splits: ['val', 'test'],
    header: ['question', 'A', 'B', 'C', 'D'],
    heading: (subject) => `以下是中国关于${subject}考试的单项选择题，请选出其中的正确答案。\n\n`,
    lead: '',
    cue: '答案：',
    blank: '',
    ownExtraction: { metric: 'ceval_extract', read: cevalChoice },
    cot: {
      cue: '让我们一步一步思考，\n',
      answer: ({ explanation, answer }) => `${explanation}\n所以答案是${answer ?? ''}。`,
    },
  },
);

/** What the authors' page takes: {subject: {id: letter}}; a question without an answer has "". */
function submission(answers: readonly SubmittedAnswer[]): unknown {
  const subjects: Record<string, Record<string, string>> = {};
  for (const { sample, extracted } of answers) {
    const subject = sample.groups[0] ?? '';
    const own = subjects[subject] ?? {};
    own[sample.id.slice(sample.id.lastIndexOf('/') + 1)] = typeof extracted === 'string' ? extracted : '';
    subjects[subject] = own;
  }
  return subjects;
}
