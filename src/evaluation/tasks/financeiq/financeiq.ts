import { CMMLU_FORM } from '../../sets/cmmlu-form.js';
import { letterChoiceTask, overSubjects, type Subject } from '../../sets/letter-choice.js';

/** The ten exams; their files are named after them. */
const EXAMS = [
  '保险从业资格CICE',
  '基金从业资格',
  '期货从业资格',
  '注册会计师（CPA）',
  '理财规划师',
  '税务师',
  '精算师-金融数学',
  '经济师',
  '证券从业资格',
  '银行从业资格',
];

const SUBJECTS: Readonly<Record<string, Subject>> = Object.fromEntries(
  EXAMS.map((name) => [name, { title: name, groups: [] }]),
);

export const financeiq = letterChoiceTask(
  {
    name: 'financeiq',
    title: 'FinanceIQ',
    version: 1,
    folder: 'financeiq',
    source: 'github.com/Duxiaoman-DI/XuanYuan (FinanceIQ)',
    paper: 'Zhang et al. 2023, XuanYuan 2.0',
    deviations: [
      'the 36 sub-groups are not in the files: groups are the ten exams',
      "written answers are read by OpenCompass' first_option",
    ],
    averages: [overSubjects(SUBJECTS)],
  },
  { subjects: SUBJECTS, ...CMMLU_FORM },
);
