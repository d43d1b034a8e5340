import { letterChoiceTask } from '../../sets/letter-choice.js';
import { SUBJECTS } from './subjects.js';

export const mmlu = letterChoiceTask(
  {
    name: 'mmlu',
    title: 'MMLU',
    version: 1,
    folder: 'mmlu',
    source: 'github.com/hendrycks/test',
    paper: 'Hendrycks et al. 2021, Measuring Massive Multitask Language Understanding',
    deviations: [
      'the header stands once before the examples; white space around a question is dropped, as in lm-evaluation-harness',
      "written answers are read by OpenCompass' first_option; the original has log-likelihoods alone",
    ],
  },
  {
    subjects: SUBJECTS,
    splits: ['test', 'val'],
    header: null,
    heading: (subject) => `The following are multiple choice questions (with answers) about ${subject}.\n\n`,
    lead: '',
    cue: 'Answer:',
    blank: ' ',
  },
);
