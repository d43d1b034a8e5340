/** Of `tokenizer` and `data`, in Chinese. */
import { BUILT_IN_CHATS } from '../../../models/index.js';

export const tokenizerTexts: Readonly<Record<string, string>> = {
  [`xinghe tokenizer SUBCOMMAND [options]; xinghe tokenizer SUBCOMMAND --help tells more

  encode  a text, or lines of JSON, to ids
  decode  ids, or lines of JSON, to text
  train   a vocabulary from text files: SentencePiece BPE and unigram, byte-level BPE
  report  how many tokens a tokenizer needs, by kind of writing and by file
  merge   a vocabulary extended by the pieces of another
`]: `xinghe tokenizer 子命令 [选项]；xinghe tokenizer 子命令 --help 给出详情

  encode  文本或 JSON 行转为 id
  decode  id 或 JSON 行转为文本
  train   由文本文件训练词表：SentencePiece BPE 与 unigram、字节级 BPE
  report  分词器需要多少 token，按文字种类和文件统计
  merge   用另一个词表的词元扩充词表
`,
  'lines of JSON, text to ids and back': 'JSON 行，文本与 id 互转',
  'xinghe tokenizer encode --tokenizer PATH (or --model PATH) TEXT prints the ids on stdout.':
    'xinghe tokenizer encode --tokenizer PATH（或 --model PATH）TEXT 在标准输出打印 id。',
  'xinghe tokenizer decode --tokenizer PATH (or --model PATH) ID … prints the text on stdout.':
    'xinghe tokenizer decode --tokenizer PATH（或 --model PATH）ID … 在标准输出打印文本。',
  'tokenizer.json, *.model, a folder, or a .gguf': 'tokenizer.json、*.model、文件夹或 .gguf',
  "a model folder or .gguf: its tokenizer, by its family's rules":
    '模型文件夹或 .gguf：按其家族的规则取其分词器',
  'one {"text": …} or {"ids": […]} a line; - reads stdin; or give a text (or ids) as arguments':
    '每行一个 {"text": …} 或 {"ids": […]}；- 读标准输入；也可把文本（或 id）作为参数',
  'one {"ids": […]} or {"text": …} a line; default stdout':
    '每行一个 {"ids": […]} 或 {"text": …}；默认标准输出',
  "encode: add the tokenizer's own special tokens": 'encode：加上分词器自己的特殊 token',
  'decode: leave special tokens out of the text': 'decode：文本中不含特殊 token',
  'a vocabulary from text files': '由文本文件训练词表',
  'what to train': '训练哪一种',
  'ids in all': 'id 总数',
  '.txt (a text a line) or .jsonl, also .gz': '.txt（每行一段文本）或 .jsonl，也可 .gz',
  'the .model or tokenizer.json to write': '要写出的 .model 或 tokenizer.json',
  'key of the text in JSON lines (text)': 'JSON 行中文本的键（text）',
  'threads (one for each core); the result is the same for any number':
    '线程数（每核一个）；结果与线程数无关',
  'draws the sample of --input-sentence-size (0)': '抽取 --input-sentence-size 样本的种子（0）',
  'learn from so many texts only, drawn at random (all)': '只从随机抽取的这么多文本学习（全部）',
  'nmt_nfkc, nfkc, identity (nmt_nfkc); byte-level: identity, nfc, nfkc (identity)':
    'nmt_nfkc、nfkc、identity（nmt_nfkc）；字节级：identity、nfc、nfkc（identity）',
  'control symbols; byte-level: the first ids': '控制符号；字节级：占最前面的 id',
  'the same for SentencePiece, by its own name': 'SentencePiece 中的同一选项，用其原名',
  'SentencePiece: always found whole in a text': 'SentencePiece：在文本中总是整体切出',
  'SentencePiece: share of characters that are pieces (0.9995)':
    'SentencePiece：成为词元的字符所占比例（0.9995）',
  'SentencePiece: unknown characters become bytes': 'SentencePiece：未知字符拆成字节',
  'each digit a token (byte-level: so without --pattern)':
    '每个数字一个 token（字节级：不给 --pattern 时即如此）',
  'SentencePiece: digits and letters apart (true)': 'SentencePiece：数字与字母分开（true）',
  'SentencePiece: scripts apart (true)': 'SentencePiece：不同文字分开（true）',
  'SentencePiece: a space before the first word (true)': 'SentencePiece：首词前加空格（true）',
  'SentencePiece: spaces trimmed and collapsed (true)': 'SentencePiece：去除并合并空格（true）',
  'SentencePiece: characters of a piece (16)': 'SentencePiece：一个词元的最多字符数（16）',
  'SentencePiece: longer lines are left out, in bytes (4192)':
    'SentencePiece：更长的行不用，按字节计（4192）',
  'SentencePiece: id of <unk> (0)': 'SentencePiece：<unk> 的 id（0）',
  'SentencePiece: id of <s>, -1 for none (1)': 'SentencePiece：<s> 的 id，-1 表示没有（1）',
  'SentencePiece: id of </s>, -1 for none (2)': 'SentencePiece：</s> 的 id，-1 表示没有（2）',
  'SentencePiece: id of <pad>, -1 for none (-1)': 'SentencePiece：<pad> 的 id，-1 表示没有（-1）',
  'SentencePiece: fewer ids if the text gives no more': 'SentencePiece：文本不足时允许 id 更少',
  'unigram: rounds between two prunings (2)': 'unigram：两次裁剪之间的轮数（2）',
  'unigram: pieces to begin with (1000000)': 'unigram：初始词元数（1000000）',
  'unigram: share of pieces that a pruning keeps (0.75)': 'unigram：一次裁剪保留的比例（0.75）',
  'byte-level: rarer pairs are not merged (2)': '字节级：更少见的对不合并（2）',
  'byte-level: what a word is (as in Llama 3, each digit apart)':
    '字节级：什么算一个词（同 Llama 3，数字逐个分开）',
  'print what was made as JSON': '以 JSON 打印结果',
  'tokens per character and word, bytes per token, unknown tokens; by kind of writing and by file':
    '每字符、每词的 token 数，每 token 的字节数，未知 token；按文字种类和文件',
  'print one JSON document': '打印一个 JSON 文档',
  'a vocabulary extended by the pieces of another': '用另一个词表的词元扩充词表',
  'the .model or tokenizer.json whose ids stay': 'id 保持不变的 .model 或 tokenizer.json',
  'the one whose further pieces come behind them': '其余词元排在后面的那一个',
  'the file to write, of the same format': '要写出的文件，格式相同',
  'print the sizes as JSON': '以 JSON 打印大小',
};

export const dataTexts: Readonly<Record<string, string>> = {
  [`xinghe data VERB; --help after a verb tells more

  prepare  records to rows on disk, by a published recipe
  merge    parts of a job array, or several datasets, to one
  inspect  what a dataset holds, a row as people read it, the rows of a training step
`]: `xinghe data 动词；动词后加 --help 给出详情

  prepare  按官方配方把记录制成磁盘上的行
  merge    把作业数组的各部分或多个数据集合为一个
  inspect  数据集里有什么、以可读形式看一行、某训练步的各行
`,
  'records to rows on disk, by a published recipe': '按官方配方把记录制成磁盘上的行',
  'Every record is in a row or in skipped.jsonl with its reason. The same options and files give the same bytes, whatever the number of threads. docs/data.md tells of recipes, mixtures and the files written.':
    '每条记录要么在某一行中，要么带着原因在 skipped.jsonl 中。同样的选项与文件给出同样的字节，与线程数无关。配方、混合与输出文件见 docs/data.md。',
  'form of the records': '记录的形式',
  'how samples become rows': '样本如何成为行',
  'predictions in a row (TeleChat: ids)': '一行的预测数（TeleChat：id 数）',
  'json, jsonl, csv, parquet or text, .gz too; - reads stdin':
    'json、jsonl、csv、parquet 或文本，也可 .gz；- 读标准输入',
  'new folder, or a new file *.mindrecord': '新文件夹，或新文件 *.mindrecord',
  'default: safetensors': '默认：safetensors',
  'default: as the recipe was published': '默认：按配方发布时的做法',
  'names of special tokens in texts become these tokens; default: text':
    '文本中特殊 token 的名字成为该 token；默认当作文本',
  [`a Jinja chat template, "model" for that beside the tokenizer, or ${BUILT_IN_CHATS.join(', ')}; default: as the recipe`]: `Jinja 对话模板，"model" 指分词器旁边的那个，或 ${BUILT_IN_CHATS.join('、')}；默认：按配方`,
  'variables of the template, e.g. enable_thinking=false': '模板的变量，如 enable_thinking=false',
  'learned answers; default: as published': '学习哪些回答；默认：按发布时的做法',
  '{path: weight} or {"phases": […]}': '{路径: 权重} 或 {"phases": […]}',
  'share of the samples held out, e.g. 0.01': '留出样本的比例，如 0.01',
  'shuffle the samples before they are packed': '打包之前打乱样本',
  'of shuffling, weights and validation; default 42': '打乱、权重与留出的种子；默认 42',
  'spark, nfc, nfkc, control, spaces, blank-lines, trim':
    '清洗步骤：spark、nfc、nfkc、control、spaces、blank-lines、trim',
  'leave out shorter samples': '去掉更短的样本',
  'leave out longer samples': '去掉更长的样本',
  'leave out repeated samples': '去掉重复的样本',
  'report samples that hold evaluation items': '报告含有评测题目的样本',
  'and leave them out': '并去掉它们',
  'at a faulty record; default stop': '遇到有错的记录时；默认 stop（停止）',
  'threads; default: one for each core': '线程数；默认每核一个',
  'the K-th of N machines; then xinghe data merge': 'N 台机器中的第 K 台；之后用 xinghe data merge',
  'exchange an output that is there': '替换已有的输出',
  'the parts of a job array, or several datasets of one kind, as one':
    '把作业数组的各部分或多个同类数据集合为一个',
  'prepared datasets, in any order for a job array': '制作好的数据集；作业数组的次序不限',
  'new folder': '新文件夹',
  'what a dataset holds; with --row a row, with --step a step': '数据集里有什么；--row 看一行，--step 看一步',
  'show this row, from 0': '显示这一行，从 0 数',
  'name the rows of this training step, from 1': '列出这一训练步的各行，从 1 数',
  'rows of a step, over all ranks': '一步的行数，所有 rank 合计',
  'of the training run; default 42': '训练运行的种子；默认 42',
  'the run took the rows in order': '该运行按次序取行',
  'default: the one of the index': '默认：索引中记录的那个',
  'write the row as a page': '把该行写成网页',
  'default auto: on a terminal without NO_COLOR': '默认 auto：终端且没有 NO_COLOR 时',
  'print JSON on stdout': '在标准输出上打印 JSON',
};
