/** What the commands are, in Chinese. */
export const commandTexts: Readonly<Record<string, string>> = {
  'the whole life of a small model in one run: data, tokenizer, training, measuring, talking':
    '一次运行走完小模型的一生：数据、分词器、训练、测评、对话',
  'versions, devices, measured speed, and what each optional part would need':
    '版本、设备、实测速度，以及各可选部分还缺什么',
  'encode and decode lines; train, measure and merge vocabularies': '文本与 id 互转；训练、测量、合并词表',
  'prepare rows for training from records, merge and inspect them': '由记录制作训练行，合并并查看',
  'pre-train or fine-tune (full, LoRA) by a configuration file': '按配置文件预训练或微调（全量、LoRA）',
  'the published run entry: train, finetune, eval, predict or export by a run file of Spark or MindFormers':
    '官方运行入口：按星火或 MindFormers 的运行文件 train、finetune、eval、predict、export',
  'a command as several ranks, on one machine or many; rank tables':
    '以多个 rank 运行一条命令，单机或多机；rank table',
  'the page of finished and running training runs, several side by side':
    '训练运行的网页，已结束或进行中，可多个并排',
  'memory and time of a training run, or memory of generation, before it is started':
    '开始之前估算训练的内存与时间，或生成的内存',
  'weights and optimiser states to another container, spelling, dtype, number of files or ranks':
    '把权重和优化器状态转成另一种容器、命名、数据类型、文件数或 rank 数',
  "the weights of a model's blocks as integers of 8 or 4 bits": '把模型各层的权重量化为 8 或 4 位整数',
  'logits, loss and gradients of given ids, for comparison with other implementations':
    '给定 id 的 logits、损失与梯度，用于与其他实现对照',
  'score answers with a reward model': '用奖励模型给回答打分',
  'compare recorded dialogues of two or more models by a judge; hold a judge against people':
    '由评判模型比较两个或多个模型的对话记录；把评判与人工对照',
  'published evaluation sets on a model, or on recorded outputs': '在模型或已记录的输出上运行公开评测集',
  'two or more evaluations, sample by sample': '逐样本比较两次或多次评测',
  'continue a prompt, or answer a file of questions': '续写提示，或回答一个问题文件',
  'talk with a model in the terminal': '在终端里与模型对话',
  'a model behind an OpenAI-compatible API, with a chat page': '以 OpenAI 兼容接口提供模型，带聊天网页',
  'what a shell needs to complete commands and options: bash, zsh or fish':
    '命令行补全脚本：bash、zsh 或 fish',
  'data, tokenizer, pre-training, fine-tuning, measuring, talking: in one run':
    '数据、分词器、预训练、微调、测评、对话：一次运行',
  'a smaller world and model: under a minute': '更小的世界与模型：不到一分钟',
  'default out/demo; an earlier demo there is replaced': '默认 out/demo；其中先前的演示会被替换',
  'another world and another model; default 1': '换一个世界和模型；默认 1',
  'CPU threads; default: all cores': 'CPU 线程数；默认：全部核心',
  'print the report as JSON on stdout': '在标准输出上以 JSON 打印报告',
  [`Read bandwidth is that of a sum over 512 MB of float32 values; matrix speed that of a linear layer on
[1024, 1024] matrices (2 x 1024^3 operations). Both are the best of several runs.`]:
    '读带宽以 512 MB float32 求和测得；矩阵速度以 [1024, 1024] 的线性层（2 x 1024^3 次运算）测得。均取多次中最好的一次。',
  'print one JSON document on stdout': '在标准输出上打印一个 JSON 文档',
  'find or fetch libtorch and build the native part, as the first use of any command does':
    '查找或下载 libtorch 并编译原生部分，与首次使用任一命令时相同',
  'What is needed, and the variables that it listens to: docs/setup.md.':
    '所需条件与可用的环境变量见 docs/setup.md。',
  'fetch ORG/NAME from this hub (https://huggingface.co or a mirror) into its cache; without it nothing is fetched':
    '从该 hub（https://huggingface.co 或镜像）下载 ORG/NAME 到其缓存；不给则从不联网下载',
};
