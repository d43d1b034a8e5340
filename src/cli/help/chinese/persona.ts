/** Of `persona` and its verbs, in Chinese. */
export const personaTexts: Readonly<Record<string, string>> = {
  'teach a model who it is: prompts, a teacher, training, and how often it falls out of its role':
    '教会模型它是谁：提示、教师、训练，以及跳出人设的频率',
  [`xinghe persona VERB; --help after a verb tells more

  assemble  a prompt for each question of a template, by a table of attributes or a role card
  extract   the answers of a teacher: Spark, an OpenAI-compatible address, a model of ours, or the rules alone
  prepare   what is learned, what is watched and what is measured; general dialogues mixed in
  train     with the published defaults, all weights or an adapter
  measure   how often a model falls out of its role
  run       all of them in one folder, with a table of before and after
`]: `xinghe persona 动词；动词后加 --help 给出详情

  assemble  按属性表或角色卡，为模板的每个问题组装一条提示
  extract   教师的回答：星火、OpenAI 兼容地址、我们自己的模型，或只用规则
  prepare   分出训练、验证与测量所用的数据；混入通用对话
  train     按公布的默认值训练，全量或适配器
  measure   模型跳出人设的频率
  run       在一个文件夹中完成以上全部，并给出训练前后对照表
`,
  'a prompt for each question of a template': '为模板的每个问题组装一条提示',
  'a table of attributes (JSON, YAML, CSV; names of one thing with "|" between), or a role card':
    '属性表（JSON、YAML、CSV；同一事物的多个名称以 "|" 分隔），或角色卡',
  'lines of {"input","target"}; default: ours, all attributes in Chinese and English':
    '每行一个 {"input","target"}；默认用自带的模板，中英文覆盖全部属性',
  'the text of a prompt: published, published-wide, english, or a file with {attr}, {input} and {target}; default published':
    '提示的文本：published、published-wide、english，或含 {attr}、{input}、{target} 的文件；默认 published',
  'a prompt a line; records that say what each asks where it ends in .jsonl':
    '每行一条提示；以 .jsonl 结尾时为记录，并写明每条问的是什么',
  'print counts as JSON on stdout': '在标准输出上以 JSON 打印各项计数',
  'the answers of a teacher to every prompt': '取得教师对每条提示的回答',
  'The same command asks only what is missing. What fails goes to data_exception.json, and the others are asked; the exit code is 2 where anything is missing at the end. Keys come from the environment or the file of --keys, never from the command line.':
    '重复同一命令只补问缺少的。失败的写入 data_exception.json，其余照常提问；结束时仍有缺失则退出码为 2。密钥只来自环境变量或 --keys 的文件，绝不写在命令行上。',
  'what persona assemble wrote: text, a prompt a line, or records (.jsonl)':
    'persona assemble 的输出：每行一条提示的文本，或记录（.jsonl）',
  'where qa_data.json and data_exception.json go': 'qa_data.json 与 data_exception.json 写到哪里',
  'spark (or its ws address), the address of an OpenAI-compatible API, a model folder, or rules: answers made of the table alone':
    'spark（或其 ws 地址）、OpenAI 兼容接口的地址、模型文件夹，或 rules：只按属性表组成回答',
  'which model of an address; default its first': '给地址时：其中哪个模型；默认第一个',
  'default: the published address of the domain': '默认：该 domain 公布的地址',
  'general, generalv2, generalv3, generalv3.5, 4.0Ultra; default generalv3.5':
    '可取 general、generalv2、generalv3、generalv3.5、4.0Ultra；默认 generalv3.5',
  'NAME=VALUE a line, before the environment: SPARK_APP_ID, SPARK_API_KEY, SPARK_API_SECRET; TEACHER_API_KEY or OPENAI_API_KEY':
    '每行一个 NAME=VALUE，优先于环境变量：SPARK_APP_ID、SPARK_API_KEY、SPARK_API_SECRET；TEACHER_API_KEY 或 OPENAI_API_KEY',
  'questions a second at most': '每秒至多提问数',
  'questions at the same time; default 2 for Spark, else 8': '同时的提问数；星火默认 2，其他默认 8',
  'times that one question is asked; default 5': '一个问题至多问几遍；默认 5',
  'seconds for one answer; default 120': '一个回答的秒数；默认 120',
  'of the answers; default 0.5 for Spark, else 0': '回答的采样温度；星火默认 0.5，其他默认 0',
  'of one answer; default 512': '一个回答的新 token 上限；默认 512',
  'for --teacher rules: the table or the role card': '与 --teacher rules 同用：属性表或角色卡',
  'CPU threads of a model of ours; default: all cores': '我们自己的模型所用的 CPU 线程数；默认：全部核心',
  'from answers to what is learned, watched and measured': '由回答制作训练、验证与测量所用的数据',
  'qa_data.json, or the folder that persona extract wrote it to':
    'qa_data.json，或 persona extract 写出它的文件夹',
  'the table or the role card: answers that contradict it are left out and counted':
    '属性表或角色卡：与之矛盾的回答会剔除并计数',
  'dialogues of any form, mixed in so that the rest is not forgotten':
    '任何形式的对话，混入训练以免遗忘其他能力',
  'of all that is learned; default 0.5': '通用对话占全部训练数据的比例；默认 0.5',
  'of the split, the order and the training; default 42': '划分、排序与训练的种子；默认 42',
  'of the questions, watched by their loss; default 0.05': '留作验证、观察损失的问题比例；默认 0.05',
  'of a template that marks no held-out questions, kept for measuring; default 0.1':
    '模板未标明留出的问题时，留作测量的比例；默认 0.1',
  'where train.jsonl, validation.jsonl, questions.jsonl and general.jsonl go':
    'train.jsonl、validation.jsonl、questions.jsonl 与 general.jsonl 写到哪里',
  'train on what persona prepare wrote, with the published defaults':
    '按公布的默认值，用 persona prepare 的输出训练',
  'Rows of 8192 tokens (or as many as the model takes), 2 of them a step, 3e-5 down to 1e-10, three times through the data; train.yaml in the output folder is the whole configuration. The same command goes on with a run that was interrupted.':
    '每行 8192 token（或模型所能容纳的长度），每步 2 行，学习率由 3e-5 降至 1e-10，数据过三遍；输出文件夹中的 train.yaml 是完整配置。中断的训练在重复同一命令时继续。',
  'what persona prepare wrote': 'persona prepare 的输出文件夹',
  'model folder or weight file to begin with': '作为起点的模型文件夹或权重文件',
  'as of xinghe train: final/, adapter/, metrics.jsonl':
    '输出同 xinghe train：final/、adapter/、metrics.jsonl',
  'learn an adapter (rank 8, every linear layer) instead of the weights':
    '训练适配器（秩 8，所有线性层）而不是权重',
  'override any key of the training configuration, e.g. training.learning_rate=1e-3':
    '覆盖训练配置的任意键，如 training.learning_rate=1e-3',
  'default 42': '默认 42',
  'how often a model falls out of its role, by rules and optionally by a judge model':
    '模型跳出人设的频率：由规则判断，也可另由评判模型判断',
  'An interrupted measurement goes on when the same command is given again. The key of an address is read from OPENAI_API_KEY, that of a judge from JUDGE_API_KEY.':
    '中断的测量在重复同一命令时继续。地址的密钥取自 OPENAI_API_KEY，评判的取自 JUDGE_API_KEY。',
  'model folder or weight file, or the address of an OpenAI-compatible API':
    '模型文件夹、权重文件，或 OpenAI 兼容接口的地址',
  'the table of attributes, or the role card': '属性表或角色卡',
  'questions.jsonl of persona prepare, or a template: its held-out lines; default: those of ours':
    'persona prepare 的 questions.jsonl，或模板（取其中留出的行）；默认用自带模板的留出行',
  'general.jsonl of persona prepare, or other dialogues: how well the model still answers them (a model of ours)':
    'persona prepare 的 general.jsonl 或其他对话：测模型是否还能答好（限我们自己的模型）',
  'talks of ten turns in each language; default 4': '每种语言的十轮对话数；默认 4',
  'said to the model before each question; default nothing': '每个问题前给模型的系统文本；默认没有',
  'where measure.json, report.html and samples.jsonl go':
    'measure.json、report.html 与 samples.jsonl 写到哪里',
  'the output folder of another model’s measurement: compare.html and compare.json beside the report':
    '另一个模型测量的输出文件夹：在报告旁写出 compare.html 与 compare.json',
  'questions at most': '至多多少个问题',
  'of one answer; default 128': '一个回答的新 token 上限；默认 128',
  'begin anew where the output folder holds another measurement': '输出文件夹已有别的测量时从头开始',
  'assemble, extract, prepare, measure, train and measure again, in one folder':
    '在一个文件夹中组装、取答、准备、测量、训练，再测量',
  'The same command goes on where an earlier one ended; what is done is not done again.':
    '重复同一命令从上次结束处继续；已完成的不再重做。',
  'the folder of the run': '本次运行的文件夹',
  'train and measure anew where the folder holds another run': '文件夹已有别的运行时重新训练与测量',
  'print before and after as JSON on stdout': '在标准输出上以 JSON 打印训练前后的结果',
};
