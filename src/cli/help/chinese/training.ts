/** Of `train`, `run`, `launch`, `watch` and `plan`, in Chinese. */
export const trainingTexts: Readonly<Record<string, string>> = {
  'YAML, JSON or a published launch script; see recipes/, docs/training.md, docs/migration.md':
    'YAML、JSON 或官方启动脚本；见 recipes/、docs/training.md、docs/migration.md',
  'override any key, e.g. --set training.steps=100': '覆盖任意键，如 --set training.steps=100',
  'go on from the newest checkpoint in the output folder (from the start if it has none), or from this one':
    '从输出文件夹中最新的检查点继续（没有则从头开始），或从指定的检查点继续',
  'serve a live page of the run on this port of 127.0.0.1; 0 takes a free one':
    '在 127.0.0.1 的这个端口提供运行的实时网页；0 取空闲端口',
  'read and check everything, show configuration, plan and first rows; nothing is written':
    '读取并检查一切，显示配置、估算和前几行；什么也不写',
  'print a summary as JSON on stdout': '在标准输出上以 JSON 打印摘要',
  [`Options are spelled as published (--run_mode) or with dashes (--run-mode) and go over the file. What has no effect here is
listed first. Several ranks: xinghe launch --nproc N -- run --config FILE --use_parallel True, torchrun, or RANK_TABLE_FILE.`]: `选项按官方写法（--run_mode）或用连字符（--run-mode），优先于文件。在此无作用的键先列出。
多个 rank：xinghe launch --nproc N -- run --config FILE --use_parallel True、torchrun 或 RANK_TABLE_FILE。`,
  'the run file (.yaml) of Spark or MindFormers': '星火或 MindFormers 的运行文件（.yaml）',
  'what to do; default: as the file says': '做什么；默认：按文件',
  'text_generation, the only one': '只有 text_generation',
  'share the run over the ranks of parallel_config': '按 parallel_config 的 rank 分担运行',
  'a model folder, a weight file, a folder of rank_0, rank_1, …, or a checkpoint to resume':
    '模型文件夹、权重文件、含 rank_0、rank_1 … 的文件夹，或要继续的检查点',
  'no effect: ranks of any layout are joined and cut as they are loaded':
    '无作用：任何切分的 rank 都在加载时合并再切分',
  'train: go on from the newest checkpoint of output_dir, from load_checkpoint, or from this one':
    'train：从 output_dir 中最新的检查点、load_checkpoint 或指定的检查点继续',
  'train: rows, a MindRecord file or folder': 'train：训练行，MindRecord 文件或文件夹',
  'eval, and train with do_eval: rows to measure': 'eval，以及 do_eval 的 train：要测量的行',
  'predict: questions, {"input": …} a line of a .json or .jsonl file, or in the text itself':
    'predict：问题，.json 或 .jsonl 文件每行一个 {"input": …}，或直接写在文本中',
  'predict: new tokens at most; default 512': 'predict：新 token 上限；默认 512',
  'predict: questions at the same time; default 1': 'predict：同时处理的问题数；默认 1',
  "predict: put each question into this text, at its {}: '<User> {}<end><Bot> '":
    "predict：把每个问题放进这段文本的 {} 处：'<User> {}<end><Bot> '",
  'predict: print the text while it comes': 'predict：边生成边打印',
  'default: the one beside the weights': '默认：权重旁边的那个',
  'export: where the model goes': 'export：模型写到哪里',
  'train: each replica keeps a part of the optimiser state': 'train：每个副本只保存一部分优化器状态',
  'which GPU, where device_target is GPU': 'device_target 为 GPU 时用哪一块',
  'no effect: copy output_dir': '无作用：请自行复制 output_dir',
  'any key of the file; keys of ours with xinghe. before them': '文件的任意键；我们自己的键前加 xinghe.',
  'predict: where the answers go; default predict_results.jsonl in output_dir':
    'predict：回答写到哪里；默认 output_dir 中的 predict_results.jsonl',
  'predict, export: replace what stands there': 'predict、export：替换已有的内容',
  'run a command as several ranks: xinghe launch --nproc N -- train --config FILE':
    '以多个 rank 运行一条命令：xinghe launch --nproc N -- train --config FILE',
  [`xinghe launch rank-table and xinghe launch merge-rank-tables make rank tables (--help of each tells more).
stdout and stderr of rank 0 are shown; a failing rank is named with its last lines. Exit code: 0, or that of the rank that failed first.`]: `xinghe launch rank-table 与 xinghe launch merge-rank-tables 生成 rank table（详见各自的 --help）。
显示 rank 0 的标准输出与标准错误；出错的 rank 会连同其最后几行一起指出。退出码：0，或最先出错的 rank 的退出码。`,
  'ranks on this machine; with --rank-table: as many as it has': '本机的 rank 数；给 --rank-table 时以其为准',
  'machines; default 1': '机器数；默认 1',
  'which of them this is, 0 to M-1': '本机是第几台，0 到 M-1',
  'an address of node 0 at which the launchers meet; port 29400 if left out':
    '各启动器汇合的 0 号节点地址；不写端口则为 29400',
  'start all ranks again after a failure, at most so often; train goes on from its newest checkpoint; default 0':
    '出错后重启所有 rank，至多这么多次；train 从最新检查点继续；默认 0',
  'write DIR/rank_{i}/stdout and stderr of every rank':
    '把每个 rank 的输出写到 DIR/rank_{i}/stdout 与 stderr',
  'seconds without a sign of life or progress until a rank counts as hung, and for the rendezvous; default 600':
    '多少秒没有生命或进展迹象即视为挂起，也用于汇合；默认 600',
  'start the ranks that a rank table (RANK_TABLE_FILE) has for this server':
    '启动 rank table（RANK_TABLE_FILE）中属于本服务器的 rank',
  'which server of the rank table this is': '本机是 rank table 中的哪台服务器',
  'the rank table (RANK_TABLE_FILE) of a half-open range of the devices of a server':
    '一台服务器上半开设备区间的 rank table（RANK_TABLE_FILE）',
  'Writes hccl_{n}p_{devices}_{ip}.json and prints its path.':
    '写出 hccl_{n}p_{devices}_{ip}.json 并打印其路径。',
  'the address of the server (server_id); default: that of this machine, if it has one':
    '服务器地址（server_id）；默认：本机地址（若只有一个）',
  'the addresses of the devices of the range, in order; default: as hccn_tool or /etc/hccn.conf have them':
    '区间内各设备的地址，按次序；默认取自 hccn_tool 或 /etc/hccn.conf',
  'the ids of the devices, where a container shows only some; the range counts these':
    '容器只显示部分设备时的设备号；区间按这些数',
  'default 8': '默认 8',
  'the folder to write it to; default: the working folder': '写到哪个文件夹；默认当前文件夹',
  'the rank tables of several servers as one, ranks numbered in the order of the files':
    '把多台服务器的 rank table 合为一个，rank 按文件次序编号',
  'Writes hccl_{servers}s_{ranks}p.json and prints its path.':
    '写出 hccl_{servers}s_{ranks}p.json 并打印其路径。',
  'A folder is the output of xinghe train. Ctrl+C ends it; the runs go on.':
    '文件夹是 xinghe train 的输出。Ctrl+C 结束网页；训练继续。',
  'of 127.0.0.1; default 8080, 0 takes a free one': '127.0.0.1 的端口；默认 8080，0 取空闲端口',
  'The exit code is 0 for a run that fits, 2 for one that does not (the plan is printed all the same).':
    '放得下退出码为 0，放不下为 2（估算照样打印）。',
  'the configuration of a run, as xinghe train takes it': '训练配置，同 xinghe train',
  'override any key of it': '覆盖其任意键',
  "or a model's config file alone; with --config in the place of weights that are not here":
    '或单独的模型配置文件；与 --config 同用则代替不在本机的权重',
  'rows; default 4': '行数；默认 4',
  'micro-batches of a step; default 1': '一步的微批数；默认 1',
  'all blocks again, or every N-th; default none': '重算所有块，或每 N 块一个；默认 none',
  'train adapters of this rank instead of the weights': '训练这一秩的适配器而不是权重',
  'parts of names of the adapted layers; default: all of the blocks': '要适配的层名的一部分；默认：块中全部',
  'masters and moments in host memory beside an accelerator': '主权重与动量放在主机内存',
  'list what --devices can share the run as, the fastest that fits first':
    '列出 --devices 个设备可分担该运行的各种布局，放得下且最快的在前',
  'ranks; default: as parallel of the configuration says, else 1': 'rank 数；默认取配置的 parallel，否则为 1',
  'of each device, e.g. 64GB; default: --memory-gb': '每个设备的内存，如 64GB；默认同 --memory-gb',
  'a second, from rank to rank, e.g. 25GB; default: sending takes no time':
    'rank 之间每秒可传的数据量，如 25GB；默认不计传输时间',
  'speed of matrix products; default: measured here': '矩阵乘速度；默认在本机实测',
  'memory to fit into; default: what is free here': '可用内存；默认：本机空闲内存',
  'print the plan as JSON on stdout': '在标准输出上以 JSON 打印估算',
  'take so many steps, say how fast and how full they were; nothing is written or kept':
    '只走这么多步，报告其速度和内存；不写出也不保留任何东西',
  'or a model folder or weight file; its config, and how it keeps its weights, are read':
    '或模型文件夹、权重文件；读取其配置以及权重的保存方式',
  'what the model is to do; default training': '模型要做什么；默认训练',
  'predictions in a row, or tokens of a text with its answer; default 1024':
    '一行的预测数，或一段文本连同回答的 token 数；默认 1024',
  'as if the model were quantised to these first; in training it is the base of adapters':
    '假定模型先这样量化；训练时作为适配器的底座',
  'of --quantize: inputs that share a scale; default the largest that divides all layers':
    '用于 --quantize：共用一个缩放的输入数；默认取能整除各层的最大值',
  'of --quantize: embedding and output projection, too': '用于 --quantize：嵌入和输出投影也量化',
  'generation: of the floats; default: that of the weights, or of the config':
    '生成：浮点数的类型；默认同权重或配置',
  'generation: texts at the same time; default 1': '生成：同时进行的文本数；默认 1',
  'generation: tokens of a step; default 512': '生成：一步的 token 数；默认 512',
  'generation: int8 pages take about half; default auto': '生成：int8 的页约占一半；默认 auto',
  'training: default float32': '训练：默认 float32',
  'training: tokens of the KV cache that a sequence of the model would take; default: the length':
    '训练：模型的一个序列所占 KV 缓存的 token 数；默认为长度',
  'how ranks share it, as the parallel section: data, zero, tensor, sequence, pipeline, schedule, chunks, context':
    '各 rank 如何分担，同 parallel 一节：data、zero、tensor、sequence、pipeline、schedule、chunks、context',
  '--layout auto: run the N best of them for some steps here, and take the fastest that was measured; needs --config':
    '--layout auto：在本机把其中最好的 N 个各跑几步，取实测最快的；需要 --config',
  'steps of each; the first does not count; default 4': '每个的步数；第一步不计；默认 4',
};
