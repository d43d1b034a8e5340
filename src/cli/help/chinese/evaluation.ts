/** Of `judge`, `evaluate` and `compare`, in Chinese. */
import { TASKS } from '../../../evaluation/index.js';

export const evaluationTexts: Readonly<Record<string, string>> = {
  'compare recorded dialogues of two or more models, pair by pair, by a judge':
    '由评判模型逐对比较两个或多个模型的对话记录',
  'A RUN is the output folder of xinghe evaluate --task dialogue, or a file of lines {"task","id","output"}; NAME=RUN names it. With one RUN and --labels, the scores of that run are held against people’s. The key of a judge’s address is read from JUDGE_API_KEY, else OPENAI_API_KEY. An interrupted comparison goes on when the same command is given again.':
    'RUN 是 xinghe evaluate --task dialogue 的输出文件夹，或每行 {"task","id","output"} 的文件；NAME=RUN 给它命名。只有一个 RUN 并给 --labels 时，把其分数与人工对照。评判地址的密钥取自 JUDGE_API_KEY，否则 OPENAI_API_KEY。中断的比较在重复同一命令时继续。',
  'who scores dialogues: the address of an OpenAI-compatible API, or a model folder; without one answers are recorded alone':
    '谁给对话打分：OpenAI 兼容接口的地址，或模型文件夹；不给则只记录回答',
  'which model of the judge’s address; default its first': '评判地址的哪个模型；默认第一个',
  'a rubric in place of ours (src/evaluation/judge/rubric.yaml)':
    '代替我们自己的评分准则（src/evaluation/judge/rubric.yaml）',
  'what the judge wrote, kept for the next run; default verdicts.jsonl in the output folder':
    '评判所写的内容，留给下次；默认输出文件夹中的 verdicts.jsonl',
  'times that it is asked for one verdict; default 3': '一次评判至多问几遍；默认 3',
  'of one verdict; default 1024': '一次评判的新 token 上限；默认 1024',
  'where results.json and pairs.jsonl go': 'results.json 与 pairs.jsonl 写到哪里',
  'compare each run with this one alone; default all with all': '各运行只与它比较；默认两两比较',
  'what people said, to hold the judge against: of one run lines of {"id","score"}, of several {"id","models","winner"}':
    '人工的结论，用来对照评判：一个运行为 {"id","score"} 行，多个为 {"id","models","winner"} 行',
  'as xinghe evaluate had it; default our dialogues': '与 xinghe evaluate 时相同；默认我们自己的对话集',
  'dialogues at most, taken from the dimensions in turns': '至多多少对话，从各维度轮流取',
  'for intervals; default 1000': '区间的重采样次数；默认 1000',
  'of the resamples; default 0': '重采样的种子；默认 0',
  'with an address: seconds for one verdict; default 120': '给地址时：一次评判的秒数；默认 120',
  'with an address: questions at the same time; default 8': '给地址时：同时的问题数；默认 8',
  'begin anew where the output folder holds another result': '输出文件夹已有别的结果时从头开始',
  'print the result on stdout': '在标准输出上打印结果',
  'An interrupted evaluation goes on where it stopped when the same command is given again. The key of an address is read from OPENAI_API_KEY, that of a judge from JUDGE_API_KEY (else OPENAI_API_KEY, unless --model is another address).':
    '中断的评测在重复同一命令时从停处继续。地址的密钥取自 OPENAI_API_KEY，评判的取自 JUDGE_API_KEY（否则 OPENAI_API_KEY，除非 --model 是另一个地址）。',
  'model folder, weight file, ORG/NAME of the hub, or the address of an OpenAI-compatible API':
    '模型文件夹、权重文件、hub 的 ORG/NAME，或 OpenAI 兼容接口的地址',
  'outputs recorded elsewhere, in place of a model: lines of {"task","id","output"}':
    '代替模型的、别处记录的输出：每行 {"task","id","output"}',
  [`${TASKS.map(({ name }) => name).join(', ')}, or YAML files of your own, or folders of them`]: `${TASKS.map(({ name }) => name).join('、')}，或自己的 YAML 文件及其文件夹`,
  'the sets and shots of a published table': '某张官方成绩表的评测集与示例数',
  'holds a folder for each set; tasks of your own may bring their rows beside them':
    '每个评测集一个文件夹；自己的任务可把数据放在旁边',
  'of the task dialogue: a file of lines {"turns": […]}, or a folder of such, in place of ours':
    'dialogue 任务：每行 {"turns": […]} 的文件或其文件夹，代替我们自己的',
  'where results.json and samples.jsonl go': 'results.json 与 samples.jsonl 写到哪里',
  'worked examples before each question; default: as the set is published':
    '每题之前的示例数；默认：按评测集发布时',
  'thoughts before the answer, where a set has such a form': '先思考后作答，若评测集有这种形式',
  'compare the options, or let the answer be written; default: as the set is published':
    '比较选项，或让模型写出答案；默认：按评测集发布时',
  'default: options are compared behind plain text, answers are written in the chat form where there is one':
    '默认：选项接在纯文本后比较，写答案时用对话形式（若有）',
  'samples of each task at most, taken from its files in turns': '每个任务至多多少样本，从其各文件轮流取',
  'test, val or dev; default: as the set is published': 'test、val 或 dev；默认：按评测集发布时',
  'of written answers; default: as the set needs': '写出答案的新 token 上限；默认：按评测集所需',
  'default: the one in the model folder': '默认：模型文件夹中的那个',
  'with an address: which of its models; default its first': '给地址时：其中哪个模型；默认第一个',
  'with an address: seconds for one answer; default 120': '给地址时：一个回答的秒数；默认 120',
  'the interpreter for sets that run code; default python3': '需要运行代码的评测集所用的解释器；默认 python3',
  'run what a model wrote without a sandbox where none works': '沙箱不可用时，不加沙箱运行模型写的代码',
  'begin anew where the output folder holds another evaluation': '输出文件夹已有别的评测时从头开始',
  'print {"results": […]} on stdout': '在标准输出上打印 {"results": […]}',
  'A RUN is the --output folder of xinghe evaluate. Each further run is compared with the first, on the samples that all have in common; other data or versions of a task are refused, other settings are said.':
    'RUN 是 xinghe evaluate 的 --output 文件夹。其余各运行与第一个比较，只用共同的样本；数据或任务版本不同则拒绝，设置不同则说明。',
  'these tasks; default: all that the runs have in common': '这些任务；默认：各运行共有的全部',
  'where compare.html, compare.json and compare.md go': 'compare.html、compare.json 与 compare.md 写到哪里',
  'print the comparison as JSON on stdout': '在标准输出上以 JSON 打印比较',
};
