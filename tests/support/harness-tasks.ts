/** Task files in lm-evaluation-harness' form over the shared evaluation sets, for the harness and for us to run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MMLU = ['abstract_algebra', 'anatomy'];
const CMMLU: readonly (readonly [string, string])[] = [['anatomy', '解剖学']];

function choiceOfLetters(question: string, cue: string, answer: string): string {
  return `output_type: multiple_choice
doc_to_text: "{{${question}.strip()}}\\nA. {{A}}\\nB. {{B}}\\nC. {{C}}\\nD. {{D}}\\n${cue}"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: "{{['A', 'B', 'C', 'D'].index(${answer})}}"
metric_list:
  - metric: acc
  - metric: acc_norm
`;
}

function csv(task: string, test: string, dev: string, shots: number, more: string): string {
  return `task: ${task}
dataset_path: csv
dataset_kwargs:
  data_files: {test: ${test}, dev: ${dev}}
${more}test_split: test
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: ${shots}
`;
}

const ARC = `output_type: multiple_choice
doc_to_text: "Question: {{question.stem}}\\nAnswer:"
doc_to_choice: "{{question.choices | map(attribute='text') | list}}"
doc_to_target: "{{(question.choices | map(attribute='label') | list).index(answerKey)}}"
metric_list:
  - metric: acc
  - metric: acc_norm
  - metric: acc_bytes
  - metric: brier_score
`;

/** C-Eval is not among the shared sets: rows of our own in its form. */
const CEVAL = `id,question,A,B,C,D,answer,explanation
0,下列哪一项是水的化学式,H2O,CO2,NaCl,O2,A,
1,一年有几个季节,一,二,三,四,D,
2,下列动物中会飞的是,狗,鹰,鱼,牛,B,
3,七加五等于,十,十一,十二,十三,C,
4,"中国的首都是",上海,广州,北京,深圳,C,
5,太阳从哪边升起,东,西,南,北,A,
`;

/** @param sets the folder of the shared sets. @returns names of the tasks by what they are asked for */
export function writeHarnessTasks(
  folder: string,
  sets: string,
): { readonly choices: string[]; readonly written: string[] } {
  mkdirSync(folder, { recursive: true });
  const tasks = new Map<string, string>();
  for (const shots of [0, 5]) {
    for (const subject of MMLU)
      tasks.set(
        `mmlu_${shots}_${subject}`,
        csv(
          `mmlu_${shots}_${subject}`,
          join(sets, `mmlu/test/${subject}_test.csv`),
          join(sets, `mmlu/dev/${subject}_dev.csv`),
          shots,
          '  names: [question, A, B, C, D, answer]\n',
        ) +
          `description: "The following are multiple choice questions (with answers) about ${subject.replaceAll('_', ' ')}.\\n\\n"\n` +
          choiceOfLetters('question', 'Answer:', 'answer'),
      );
    for (const [subject, title] of CMMLU)
      tasks.set(
        `cmmlu_${shots}_${subject}`,
        csv(
          `cmmlu_${shots}_${subject}`,
          join(sets, `cmmlu/test/${subject}.csv`),
          join(sets, `cmmlu/dev/${subject}.csv`),
          shots,
          '',
        ) +
          `description: "以下是关于${title}的单项选择题，请直接给出正确答案的选项。\\n\\n"\n` +
          choiceOfLetters('Question', '答案：', 'Answer'),
      );
  }
  writeFileSync(join(folder, 'ceval.csv'), CEVAL);
  tasks.set(
    'ceval_3',
    csv('ceval_3', join(folder, 'ceval.csv'), join(folder, 'ceval.csv'), 3, '') +
      'description: "以下是中国关于常识考试的单项选择题，请选出其中的正确答案。\\n\\n"\ntarget_delimiter: ""\n' +
      choiceOfLetters('question', '答案：', 'answer'),
  );
  const arc = join(sets, 'arc/ARC-Challenge/ARC-Challenge-Dev.jsonl');
  const easy = join(sets, 'arc/ARC-Easy/ARC-Easy-Dev.jsonl');
  tasks.set(
    'arc_0',
    `task: arc_0\ndataset_path: json\ndataset_kwargs: {data_files: {test: ${arc}}}\ntest_split: test\n${ARC}`,
  );
  // Drawn by the harness' seed.
  tasks.set(
    'arc_4',
    `task: arc_4\ndataset_path: json\ndataset_kwargs: {data_files: {test: ${arc}, train: ${easy}}}\ntest_split: test\n` +
      `fewshot_split: train\nnum_fewshot: 4\n${ARC}`,
  );
  tasks.set(
    'hellaswag_0',
    `task: hellaswag_0
dataset_path: json
dataset_kwargs: {data_files: {validation: ${join(sets, 'hellaswag/hellaswag_val_part.jsonl')}}}
validation_split: validation
output_type: multiple_choice
doc_to_text: "{{activity_label}}: {{ctx}}"
doc_to_choice: endings
doc_to_target: label
metric_list:
  - metric: acc
  - metric: acc_norm
`,
  );
  const choices = [...tasks.keys()];
  tasks.set(
    'gsm8k_2',
    `task: gsm8k_2
dataset_path: json
dataset_kwargs:
  data_files: {train: ${join(sets, 'gsm8k/train.jsonl')}, test: ${join(sets, 'gsm8k/test.jsonl')}}
output_type: generate_until
training_split: train
fewshot_split: train
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
metric_list:
  - metric: exact_match
    ignore_case: true
    ignore_punctuation: false
    regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]
generation_kwargs:
  until: ["Question:", "</s>", "<|im_end|>"]
  do_sample: false
  max_gen_toks: 48
num_fewshot: 2
filter_list:
  - name: strict-match
    filter:
      - function: regex
        regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"
      - function: take_first
  - name: flexible-extract
    filter:
      - function: regex
        group_select: -1
        regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"
      - function: take_first
`,
  );
  for (const [name, content] of tasks) writeFileSync(join(folder, `${name}.yaml`), content);
  return { choices, written: ['gsm8k_2'] };
}
