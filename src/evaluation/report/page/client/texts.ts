/** What the page says, in English and Chinese. */
import type { Verdict } from '../report-content.js';

export type Language = 'en' | 'zh';

const en = {
  report: 'Evaluation',
  comparison: 'Comparison of evaluations',
  scores: 'Scores',
  samples: 'Samples',
  made: 'How this was made',
  measured: 'measured here',
  interval: '95 % interval',
  publishedKey: 'published by the makers of these models, not measured here',
  chance: 'chance',
  published: 'published, not measured here:',
  noScore: 'no score',
  incomplete:
    'Some samples could not be asked. There is no score of their tasks until the same command has asked them again.',
  search: 'Search in all texts',
  task: 'Task',
  group: 'Group',
  verdict: 'Verdict',
  allTasks: 'all tasks',
  allGroups: 'all groups',
  allVerdicts: 'right and wrong',
  right: 'right',
  wrong: 'wrong',
  partly: 'right in part',
  missing: 'missing',
  unlabelled: 'without a label',
  absent: 'not in this run',
  differ: 'verdicts differ',
  allRight: 'right in all runs',
  noneRight: 'right in no run',
  only: 'only right:',
  nothingExtracted: 'nothing extracted',
  none: 'No sample is like that.',
  reading: 'reading the samples …',
  unreadable: 'This browser cannot unpack the samples; one of the last years can.',
  keys: 'Arrow keys, Page Up and Down, Home and End walk through the list, Enter goes into a sample, Escape back, / searches.',
  back: 'Back to the list',
  previous: 'Previous',
  next: 'Next',
  prompt: 'Prompt',
  output: 'Output',
  noOutput: 'no output',
  extracted: 'Extracted answer',
  nothing: 'nothing',
  target: 'Right answer',
  noTarget: 'the set does not say',
  options: 'Log-likelihood of the options (nats)',
  decision: 'Part',
  reference: 'Log-likelihood of the right answer (nats)',
  chosen: 'chosen',
  rightOption: 'right',
  points: 'points',
  groups: 'groups',
  byScore: 'sort by score',
  byName: 'sort as in the set',
  meanOver: 'mean over',
  shots: 'examples',
  thinking: 'thinks first',
  difference: 'difference',
  onlyRight: 'only right in',
  exact: "McNemar's test, exact",
  chiSquared: "McNemar's test, corrected for continuity",
  inCommon: 'samples in common',
  command: 'command',
  started: 'started',
  duration: 'seconds',
  rate: 'samples per second',
  version: 'version of the task',
  data: 'SHA-256 of the data',
  mode: 'mode',
  form: 'form',
  themeAuto: 'Theme: system',
  themeLight: 'Theme: light',
  themeDark: 'Theme: dark',
  otherLanguage: '中文',
};

const zh: typeof en = {
  report: '评测',
  comparison: '评测对比',
  scores: '得分',
  samples: '样本',
  made: '评测信息',
  measured: '本次实测',
  interval: '95 % 置信区间',
  publishedKey: '各模型发布方公布的成绩，非本次实测',
  chance: '随机水平',
  published: '公布成绩（非实测）：',
  noScore: '无得分',
  incomplete: '部分样本未能提问。再次运行同一命令补问之前，相应任务没有得分。',
  search: '在全部文本中搜索',
  task: '任务',
  group: '分组',
  verdict: '判定',
  allTasks: '全部任务',
  allGroups: '全部分组',
  allVerdicts: '对与错',
  right: '正确',
  wrong: '错误',
  partly: '部分正确',
  missing: '缺失',
  unlabelled: '无标准答案',
  absent: '不在此次评测中',
  differ: '判定不同',
  allRight: '全部正确',
  noneRight: '全部未答对',
  only: '仅此正确：',
  nothingExtracted: '未提取到答案',
  none: '没有符合条件的样本。',
  reading: '正在读取样本……',
  unreadable: '此浏览器无法解压样本，请使用较新的浏览器。',
  keys: '方向键、Page Up、Page Down、Home、End 浏览列表，Enter 进入样本，Esc 返回，/ 搜索。',
  back: '返回列表',
  previous: '上一条',
  next: '下一条',
  prompt: '提示词',
  output: '模型输出',
  noOutput: '无输出',
  extracted: '提取的答案',
  nothing: '无',
  target: '标准答案',
  noTarget: '数据集未给出',
  options: '各选项的对数似然（nat）',
  decision: '小题',
  reference: '标准答案的对数似然（nat）',
  chosen: '所选',
  rightOption: '正确',
  points: '分',
  groups: '个分组',
  byScore: '按得分排序',
  byName: '按原顺序排列',
  meanOver: '平均方式：',
  shots: '个示例',
  thinking: '先思考',
  difference: '差值',
  onlyRight: '仅答对于',
  exact: 'McNemar 检验（精确）',
  chiSquared: 'McNemar 检验（连续性校正）',
  inCommon: '个共同样本',
  command: '命令',
  started: '开始于',
  duration: '用时（秒）',
  rate: '每秒样本数',
  version: '任务版本',
  data: '数据的 SHA-256',
  mode: '方式',
  form: '形式',
  themeAuto: '主题：跟随系统',
  themeLight: '主题：浅色',
  themeDark: '主题：深色',
  otherLanguage: 'English',
};

export type Texts = Readonly<typeof en>;
export type TextKey = keyof Texts;

export const texts: Readonly<Record<Language, Texts>> = { en, zh };

export function isTextKey(key: string): key is TextKey {
  return Object.hasOwn(en, key);
}

/** The sign of a verdict, which tells it without colour. */
export const SIGNS: Readonly<Record<Verdict | 'absent', string>> = {
  right: '✓',
  wrong: '✕',
  partly: '½',
  missing: '–',
  unlabelled: '?',
  absent: ' ',
};

export function countText(shown: number, all: number, language: Language): string {
  const number = (value: number): string => value.toLocaleString('en');
  return language === 'zh'
    ? `${number(shown)} / ${number(all)} 个样本`
    : `${number(shown)} of ${number(all)} samples`;
}

export function cutText(texts: number, length: number, language: Language): string {
  const at = length.toLocaleString('en');
  return language === 'zh'
    ? `${texts} 段超过 ${at} 字符的文本在中间截短`
    : `${texts} texts of more than ${at} characters are cut in their middle`;
}

export function leftOutText(count: number, language: Language): string {
  return language === 'zh' ? `${count} 个样本未收入本页` : `${count} samples are not in this page`;
}

export function wholeText(files: readonly string[], language: Language): string {
  const list = files.join(', ');
  return language === 'zh' ? `完整内容见 ${list}` : `everything is in ${list}`;
}

export function sharedText(characters: number, language: Language): string {
  const count = characters.toLocaleString('en');
  return language === 'zh'
    ? `与同科目样本相同的开头（${count} 个字符）`
    : `the beginning that samples of this subject share (${count} characters)`;
}
