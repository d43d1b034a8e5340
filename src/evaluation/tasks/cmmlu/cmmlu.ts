import { cmmluChoice } from '../../graders/cmmlu-choice.js';
import { CMMLU_FORM } from '../../sets/cmmlu-form.js';
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
      "written answers are read by OpenCompass' first_option; cmmlu_extract reads them as the authors' code does, but where " +
        'that draws a letter at random nothing is taken',
    ],
    averages: [overSubjects(SUBJECTS)],
  },
  {
    subjects: SUBJECTS,
    ...CMMLU_FORM,
    ownExtraction: { metric: 'cmmlu_extract', read: cmmluChoice },
  },
);
