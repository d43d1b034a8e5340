/** Of `bench`, in Chinese. */
export const benchTexts: Readonly<Record<string, string>> = {
  'how fast each part is on this machine, alone or in turns with programs of others':
    '各部分在本机有多快，单独测量或与其他程序轮流测量',
  [`xinghe bench VERB; --help after a verb tells more

  train      a training step: tokens a second, operations, memory
  decode     tokens a second of sequences that have read their prompts
  prompt     tokens a second of prompts; the first token of a process, of a cached prompt
  serve      streams over HTTP beside the bare engine
  tokenizer  encoding texts; training a vocabulary
  convert    a checkpoint read and written
  data       records to packed rows
  op         the cost of an operator call; the products of a linear layer
  cost       how a time grows with a size, beside how it should
`]: `xinghe bench 动词；动词后加 --help 给出详情

  train      一个训练步：每秒 token、运算量、内存
  decode     已读完提示的序列每秒生成的 token
  prompt     每秒读入的提示 token；进程的首 token、缓存提示的首 token
  serve      HTTP 流，与不带 HTTP 的引擎对照
  tokenizer  文本编码；训练词表
  convert    读写检查点
  data       由记录制作拼接好的训练行
  op         一次算子调用的开销；线性层的乘积
  cost       耗时如何随规模增长，与应有的规律对照
`,
  [`Both sides run in turns, each time as a process of its own; best, median and spread of the rounds are printed with the load before each run
and what the machine can do at most. A program of yours for --against gets its arguments as bench/README.md lists them.`]: `双方轮流运行，每次都是新进程；打印各轮的最好值、中位数与离散度，并给出每次运行前的负载和本机实测上限。
--against 指定你自己的程序时，它得到的参数见 bench/README.md。`,
  'rounds, each a process of each side; default 3': '轮数，每轮双方各一个进程；默认 3',
  'no further round is begun that would end later; default 90': '预计超过此秒数的轮次不再开始；默认 90',
  'wait until no other program computes; exit code 1 where it does not come to that':
    '等到没有其他程序占用处理器；等不到则退出码为 1',
  'seconds to wait for that, in all; default 60': '总共最多等多少秒；默认 60',
  'the result as Markdown into this file, or into this folder under subject, hardware and date; default stdout':
    '结果以 Markdown 写入此文件，或写入此文件夹并以主题、硬件、日期命名；默认标准输出',
  'interpreter of peers in Python; default python3': 'Python 对照程序的解释器；默认 python3',
  'working folder of the peer, where a Node peer finds its packages; default the present one':
    '对照程序的工作目录，Node 程序在此查找其包；默认当前目录',
  'run in turns with pytorch or pytorch-compile, or with a program of yours that prints JSON in its last line':
    '与 pytorch、pytorch-compile，或你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with llama.cpp, or with a program of yours that prints JSON in its last line':
    '与 llama.cpp，或你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with nothing that is known, or with a program of yours that prints JSON in its last line':
    '没有内置的对照程序；可与你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with sentencepiece or tokenizers, or with a program of yours that prints JSON in its last line':
    '与 sentencepiece、tokenizers，或你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with safetensors (load and save), or with a program of yours that prints JSON in its last line':
    '与 safetensors（加载加保存），或你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with datasets (with tokenizers), or with a program of yours that prints JSON in its last line':
    '与 datasets（配 tokenizers），或你自己的、末行打印 JSON 的程序轮流运行',
  'run in turns with pytorch, or with a program of yours that prints JSON in its last line':
    '与 pytorch，或你自己的、末行打印 JSON 的程序轮流运行',
  'random weights of this size: 33m, 130m, 350m, 1.3b, or layers=24,hidden=2048,ffn=5632,heads=32,kv-heads=8,vocab=32000':
    '这种大小的随机权重：33m、130m、350m、1.3b，或 layers=24,hidden=2048,ffn=5632,heads=32,kv-heads=8,vocab=32000',
  'the speed of a training step: tokens a second, operations, memory':
    '训练步的速度：每秒 token、运算量、内存',
  'a model folder: its config, with random weights; default --size 33m':
    '模型文件夹：取其配置，权重随机；默认 --size 33m',
  'float32 (default), bfloat16, or bfloat16-mixed (float32 masters; the peer: autocast)':
    'float32（默认）、bfloat16，或 bfloat16-mixed（float32 主权重；对照程序用 autocast）',
  'rows of a step; default 8': '每步的行数；默认 8',
  'tokens of a row; default 256': '每行的 token 数；默认 256',
  'train LoRA of this rank alone; default 0, all weights': '只训练此秩的 LoRA；默认 0，训练全部权重',
  'keep the borders of blocks only and compute the rest again': '只保留各层边界，其余重新计算',
  'steps of a process, the first two not counted; default 5': '每个进程的步数，前两步不计；默认 5',
  'the speed of decoding: tokens a second, share of the memory bandwidth':
    '解码速度：每秒 token、占内存带宽的比例',
  'the speed of reading prompts: tokens a second, share of the products; first tokens':
    '读入提示的速度：每秒 token、占矩阵乘上限的比例；首 token',
  'a model folder or file; default --size 350m': '模型文件夹或文件；默认 --size 350m',
  'compute in it; default that of the weights (random ones: bfloat16)':
    '以此计算；默认与权重相同（随机权重：bfloat16）',
  'of keys and values; default as computed': '键和值的类型；默认与计算相同',
  'sequences together; default 1': '同时进行的序列数；默认 1',
  'within a process, the best counts; default 2': '进程内重复次数，取最好的一次；默认 2',
  'the same weights for llama.cpp; default: the model converted, in a temporary folder':
    '给 llama.cpp 的同一份权重；默认：在临时文件夹中转换该模型',
  'tokens of each prompt; default 64': '每个提示的 token 数；默认 64',
  'tokens that each sequence makes; default 32': '每个序列生成的 token 数；默认 32',
  'tokens of each prompt; default 256, with --from-start 16':
    '每个提示的 token 数；默认 256，配 --from-start 时 16',
  'from the start of a process to its first token': '从进程启动到首 token',
  'the first token of a prompt whose beginning is cached': '开头已缓存的提示的首 token',
  'streams over HTTP: their share of the bare engine, times to the first token, memory':
    'HTTP 流：相对于不带 HTTP 的引擎的比例、首 token 时间、内存',
  'a model folder with its tokenizer; default --size 33m': '带分词器的模型文件夹；默认 --size 33m',
  'connections that are open at once, 1000 at most; default 16': '同时打开的连接数，最多 1000；默认 16',
  'tokens of each prompt; default 32': '每个提示的 token 数；默认 32',
  'tokens of each answer; default 64': '每个回答的 token 数；默认 64',
  'waves of a process, one more warms up; default 3': '每个进程的波数，另有一波预热；默认 3',
  'the speed of encoding on one thread, or of training a vocabulary': '单线程编码的速度，或训练词表的速度',
  'tokenizer.json, *.model or a folder; default: one of 2000 pieces, learned from the texts':
    'tokenizer.json、*.model 或文件夹；默认：由这些文本学得的 2000 词元的分词器',
  'texts: plain, or JSON lines with "text"; default: those of the demo\'s invented world':
    '文本：纯文本，或带 "text" 的 JSON 行；默认：演示中虚构世界的文本',
  'so much text, repeated where there is less; default 4': '文本量（MB），不足则重复；默认 4',
  'measure the training of such a vocabulary in place of encoding': '改为测量训练这种词表',
  'pieces that are learned; default 2000': '要学的词元数；默认 2000',
  'of the training; encoding takes one. Default: all cores': '训练的线程数；编码只用一个。默认：全部核心',
  'the speed of a conversion as a whole process: megabytes a second, memory':
    '整个转换进程的速度：每秒 MB、内存',
  'a file of safetensors, or a folder with model.safetensors; default --size 130m':
    'safetensors 文件，或含 model.safetensors 的文件夹；默认 --size 130m',
  'of the random weights; default float32': '随机权重的类型；默认 float32',
  'safetensors (unchanged, default), bfloat16, float32, bin, or four model-parallel ranks':
    'safetensors（不变，默认）、bfloat16、float32、bin，或四个模型并行 rank',
  'the speed of preparing rows from records, as a whole process': '由记录制作训练行的速度，按整个进程计',
  "records with Alpaca's or TeleChat's keys; default: made of the texts of the demo's invented world":
    'Alpaca 或 TeleChat 键名的记录；默认：由演示中虚构世界的文本制成',
  'with a token <|endoftext|>; default: one learned from those texts':
    '须有词元 <|endoftext|>；默认：由那些文本学得',
  'of records, repeated where there are fewer; default 10': '记录量（MB），不足则重复；默认 10',
  'a row has one id more; default 2047': '每行再多一个 id；默认 2047',
  'threads of ours, processes of the peer; default 1': '我方的线程数，对照程序的进程数；默认 1',
  'what an operator call costs; with --linear the products of a linear layer':
    '一次算子调用的开销；加 --linear 为线性层的乘积',
  'in each repetition; default 20000': '每次重复的调用数；默认 20000',
  'within a process, the least counts; default 10': '进程内重复次数，取最小值；默认 10',
  'float32 products of a linear layer, by oneDNN against BLAS': '线性层的 float32 乘积，oneDNN 对 BLAS',
  'of --linear; a call takes one. Default: all cores': '--linear 的线程数；算子调用只用一个。默认：全部核心',
  'how a time grows with a size: the measured exponent beside the expected one':
    '耗时如何随规模增长：实测指数与应有指数对照',
  [`WHAT: context (a decode step by the length of the context), batch (by the number of sequences), queue (by the number of requests
that wait), rows (data preparation by the number of records), model-size (conversion by the number of parameters).`]: `WHAT：context（解码一步，随上下文长度）、batch（随序列数）、queue（随等待的请求数）、
rows（数据准备，随记录数）、model-size（转换，随参数量）。`,
  'of context, batch and queue; default --size 33m': '用于 context、batch、queue；默认 --size 33m',
};
