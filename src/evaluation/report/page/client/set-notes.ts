/** What evaluations note of their sets, in the reader's language. Notes lie in results in English; one that is not known stays so. */
import type { Language } from './texts.js';

export function noteIn(language: Language, note: string): string {
  return language === 'zh' ? (translated(NOTES, note) ?? note) : note;
}

/** @param over as a result has it: "subjects" */
export function averageIn(language: Language, over: string): string {
  return language === 'zh' ? (translated(AVERAGES, over) ?? over) : over;
}

/** Why a row, a recorded output or a question did not count. */
export function reasonIn(language: Language, reason: string): string {
  return language === 'zh' ? (translated(REASONS, reason) ?? reason) : reason;
}

type Translations = readonly (readonly [english: RegExp, chinese: string])[];

function translated(list: Translations, text: string): string | undefined {
  const found = list.find(([english]) => english.test(text));
  return found === undefined ? undefined : text.replace(found[0], found[1]);
}

const NOTES: Translations = [
  [/^measured on the (\S+) split$/, '在 $1 划分上测量'],
  [/^measured on the split (\S+): there are no files of (\S+) here$/, '在 $1 划分上测量：这里没有 $2 的文件'],
  [/^(\d+) to (\d+) shots: the dev split has no more$/, '示例 $1 至 $2 个：dev 划分没有更多'],
  [
    /^(\d+) of (\d+) shots: the set here has no more examples$/,
    '示例 $1 个（应为 $2 个）：这里的数据集没有更多',
  ],
  [/^(\d+) of (\d+) shots(.*): the split (.+) has no more$/, '示例 $1 个（应为 $2 个）$3：划分 $4 没有更多'],
  [/^(\S+): (\d+) shots, there are no more$/, '$1：示例 $2 个，没有更多'],
  [/^not single choice, left out: (.*)$/, '不是单选题，未计入：$1'],
  [/^(\d+) examples were left out: prompts did not fit the model$/, '省去 $1 个示例：提示词超出模型的长度'],
  [/^the set has no labels: there is no score$/, '数据集没有标签，因此没有得分'],
  [
    /^no judge was named \(--judge\): answers are recorded, there is no score$/,
    '未指定评判模型（--judge）：只记录回答，没有得分',
  ],
];

const AVERAGES: Translations = [
  [/^subjects$/, '科目'],
  [/^sub-sets$/, '子集'],
  [/^files$/, '文件'],
  [/^samples$/, '样本'],
  [/^the 20 sub-sets of the paper$/, '论文中的 20 个子集'],
  [
    /^tasks \(23 in the paper; files of one task are averaged first\)$/,
    '任务（论文中为 23 个；同一任务的文件先取平均）',
  ],
];

const REASONS: Translations = [
  [/^answer out of range$/, '答案超出范围'],
  [/^missing option$/, '缺少选项'],
  [/^missing answer$/, '缺少答案'],
  [/^missing question$/, '缺少题目'],
  [/^missing field$/, '缺少字段'],
  [/^wrong field$/, '字段有误'],
  [/^wrong number of fields$/, '字段数不对'],
  [/^wrong number of options$/, '选项数不对'],
  [/^other form$/, '格式不符'],
  [/^unknown id$/, '未知的编号'],
  [/^unknown subject$/, '未知的科目'],
  [/^unknown sub-set$/, '未知的子集'],
  [/^duplicate id$/, '编号重复'],
  [/^no verdict of the judge \((.*)\)$/, '评判模型没有给出有效结论（$1）'],
  [/^no output$/, '没有输出'],
  [/^too long for the model$/, '超出模型的长度'],
];
