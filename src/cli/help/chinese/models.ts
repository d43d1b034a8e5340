/** Of `convert`, `export`, `quantize`, `forward` and `score`, in Chinese. */
import { DEFAULT_OPSET, NEWEST_OPSET, OLDEST_OPSET } from '../../../export/index.js';
import { BUILT_IN_CHATS } from '../../../models/index.js';

export const modelTexts: Readonly<Record<string, string>> = {
  [`Container and family of the source are recognised by its content. The output is written in a temporary place, read
back, compared by checksums and only then renamed; two tensors at most are in memory.`]:
    '源的容器与家族由内容识别。输出先写在临时位置，读回并按校验和比较，之后才改名；内存中至多两个张量。',
  'a file, an index of shards, a model folder, a folder of rank_0, rank_1, …, or a ZeRO checkpoint':
    '文件、分片索引、模型文件夹、含 rank_0、rank_1 … 的文件夹，或 ZeRO 检查点',
  'a new folder, or a new file ending in .safetensors, .bin, .pt, .ckpt or .gguf':
    '新文件夹，或以 .safetensors、.bin、.pt、.ckpt、.gguf 结尾的新文件',
  'default: by the ending, else safetensors (ranks: ckpt)': '默认：按后缀，否则 safetensors（多 rank：ckpt）',
  "spelling of the tensors; default: the source's, in a .gguf llama.cpp's (gguf)":
    '张量的命名；默认同源，.gguf 则为 llama.cpp 的（gguf）',
  "of the weights; default: the source's. Spark's embedding and norms stay float32 unless asked otherwise; q8_0, q6_k, q4_k, q4_0: the matrices of a .gguf in blocks of so many bits":
    '权重的类型；默认同源。星火的词嵌入与归一化保持 float32，除非另有要求；q8_0、q6_k、q4_k、q4_0：.gguf 的矩阵以这么多位的块存放',
  'a folder that transformers loads as Llama, without code from elsewhere: XVERSE, TeleChat, TeleChat-52B, TeleChat3':
    'transformers 可当作 Llama 加载、不需要别处代码的文件夹：XVERSE、TeleChat、TeleChat-52B、TeleChat3',
  "cast Spark's embedding too (published as embed_bf16)": '星火的词嵌入也转换（官方的 embed_bf16）',
  "cast Spark's norms too (published as layernorm_bf16)": '星火的归一化也转换（官方的 layernorm_bf16）',
  'so many files of about one size, with an index': '这么多个大小相近的文件，带索引',
  'or as many files as keep each below this; default 5GB': '或按每个文件不超过此大小来分；默认 5GB',
  'one folder rank_{i} for each rank, as MindSpore keeps them': '每个 rank 一个文件夹 rank_{i}，同 MindSpore',
  'of the ranks to read; default: layout.json there, else a strategy file, else mp only':
    '要读的 rank 的切分；默认取其 layout.json，否则取策略文件，再否则只有 mp',
  "MindSpore's strategy file of the ranks to read, or a folder of them; default: that beside the ranks":
    '要读的 rank 的 MindSpore 策略文件（strategy），或其目录；默认取 rank 旁的那个',
  'of a ZeRO checkpoint: float32 master weights (default), or the 16-bit ones that the model held':
    'ZeRO 检查点：float32 主权重（默认），或模型所用的 16 位权重',
  'a config that does not lie beside the weights': '不在权重旁边的配置',
  'add LoRA matrices (of --adapter, or in the source) to the weights':
    '把 LoRA 矩阵（--adapter 的或源中的）并入权重',
  'take the update of --adapter out of the weights again': '从权重中去掉 --adapter 的更新',
  'a PEFT folder, or a file in any of the published spellings': 'PEFT 文件夹，或任一官方命名的文件',
  'where no adapter_config.json tells it': '没有 adapter_config.json 时给出',
  "spelling of LoRA matrices that stay apart; default: the source's": '不并入的 LoRA 矩阵的命名；默认同源',
  'Adam moments and counters; default: keep in ranks and .ckpt, else drop':
    'Adam 动量与计数；默认：多 rank 与 .ckpt 保留，否则去掉',
  'tensors that are no parameter of the model and need not be written; others that nobody knows are refused':
    '不是模型参数且不必写出的张量；其他不认识的张量会被拒绝',
  'with --vocabulary-to: the tokenizer file that the model was trained with':
    '与 --vocabulary-to 同用：模型训练时的分词器文件',
  'one that extends it (xinghe tokenizer merge): the embedding gets rows for its new pieces':
    '扩充后的分词器（xinghe tokenizer merge）：词嵌入为新词元增加行',
  'compute both sides in float32 on a few ids and compare; a merged adapter stands beside the layers of the other side':
    '在几个 id 上以 float32 计算两边并比较；已并入的适配器在另一边挂在层旁',
  'list every tensor with its source, and write nothing': '列出每个张量及其来源，什么也不写',
  'exchange what stands at --to, once the new one is whole and proven':
    '新的完整并验证之后替换 --to 处的内容',
  'print the result as JSON on stdout': '在标准输出上以 JSON 打印结果',
  'a model as an ONNX graph for onnxruntime, in programs, on devices and in browsers':
    '把模型导出为 ONNX 图，供 onnxruntime 在程序、设备和浏览器中运行',
  [`One graph for the prompt and for each token after it, made by running the model on tensors without memory; config and
tokenizer lie beside it. docs/export.md says how it is run.`]: `提示与其后的每个 token 共用一张图，由模型在不占内存的张量上运行一遍得到；配置与
分词器放在旁边。运行方法见 docs/export.md。`,
  'the form': '导出的形式',
  'of weights, products and cache; int8: matrices as integers, all else float32. Default float32':
    '权重、乘积与缓存的类型；int8：矩阵为整数，其余为 float32。默认 float32',
  [`version of ONNX's operators, ${OLDEST_OPSET} to ${NEWEST_OPSET}; default ${DEFAULT_OPSET}`]: `ONNX 算子集的版本，${OLDEST_OPSET} 到 ${NEWEST_OPSET}；默认 ${DEFAULT_OPSET}`,
  'tokens of the longest text; default: what the config names': '最长文本的 token 数；默认取自配置',
  'the weights as a file beside the graph, as is done anyway from 2 GB on':
    '把权重单独存为图旁边的文件；达到 2 GB 时总是如此',
  'the package onnxruntime-web, unpacked: its files for the page chat.html; default: put them into ort/ later':
    '解包后的 onnxruntime-web：供网页 chat.html 使用；默认：以后自行放入 ort/',
  [`Norms stay as they are, and so do embedding and output projection without --ends. The folder loads like any other: forward, generate, chat, serve,
evaluate and LoRA training multiply with the integers. quantization_report.md in it says what each layer lost.`]: `归一化保持不变；不给 --ends 时词嵌入与输出投影也不变。该文件夹与其他模型一样加载：forward、generate、chat、serve、evaluate 与
LoRA 训练直接用整数相乘。其中的 quantization_report.md 说明每层的损失。`,
  'a model folder or weight file, in any container': '模型文件夹或权重文件，任何容器',
  'a new folder': '新文件夹',
  'integers of so many bits': '整数的位数',
  "published: XVERSE's quantize(8 | 4), a scale for each row; rtn: the nearest integers of groups; gptq: those that change the outputs of a calibration least; awq: the nearest integers of weights that are scaled by what they are multiplied with; auto: as gptq, with as many bits for each layer as --target-bytes has for it":
    'published：XVERSE 的 quantize(8 | 4)，每行一个缩放；rtn：分组取最近整数；gptq：使校准输出变化最小的整数；awq：权重按其输入的大小缩放后取最近整数；auto：同 gptq，各层位数由 --target-bytes 的余量决定',
  'auto: what all weights of the folder may take; 4, 8 or all bits for each layer, by what the text loses':
    'auto：文件夹全部权重的大小上限；各层按对文本的损失取 4 位、8 位或不量化',
  'embedding and output projection as integers, too; others may not read an embedding of integers':
    '词嵌入与输出投影也量化为整数；其他程序可能读不了整数的词嵌入',
  "gptq: best (default) scales the weights first and follows the full model; published: AutoGPTQ's integers alone":
    'gptq：best（默认）先缩放权重并以原模型为准；published：只得 AutoGPTQ 的整数',
  'inputs that share a scale; default the largest that divides all layers, published: row':
    '共用一个缩放的输入数；默认为能整除各层的最大值，published：整行',
  'rtn: no zero points, the range reaches as far on both sides': 'rtn：没有零点，两侧范围对称',
  'rtn: narrow the range of a group where that makes its squared error less':
    'rtn：能减小平方误差时收窄该组的范围',
  'how files keep the integers; transformers and vLLM read each; default compressed-tensors':
    '文件保存整数的形式；transformers 与 vLLM 都能读；默认 compressed-tensors',
  'layers that stay floats: all whose published name holds one of these':
    '保持浮点的层：官方名字含其中之一者',
  'records with "text", or {"input_ids": [[…]]}: what gptq and awq round by; gptq is the default scheme then':
    '含 "text" 的记录，或 {"input_ids": [[…]]}：gptq 与 awq 据以取整；此时默认方案为 gptq',
  'of them at most, in windows of 512; default 16384': '其中至多多少 token，以 512 为窗口；默认 16384',
  'likewise: perplexity, divergence from the full model and agreement on it go into the report':
    '同上：困惑度、与原模型的散度和一致率写入报告',
  'of them at most, in windows of 512; default 2048': '其中至多多少 token，以 512 为窗口；默认 2048',
  'exchange what stands at --output, once the new one is whole': '新的完整之后替换 --output 处的内容',
  'logits of given ids as safetensors; with --gradients the loss and its gradients':
    '给定 id 的 logits，写成 safetensors；--gradients 还有损失及其梯度',
  'logits [B, T, V] are float32 (float64 with --dtype float64). The loss shifts targets by one, weights them by loss_mask of the target and divides by its sum; with --adapter there are gradients of its matrices too.':
    'logits [B, T, V] 为 float32（--dtype float64 时为 float64）。损失的目标后移一位，以目标的 loss_mask 加权并除以其和；给 --adapter 时也有其矩阵的梯度。',
  'model folder, weight file, or ORG/NAME of the hub': '模型文件夹、权重文件，或 hub 的 ORG/NAME',
  'a LoRA adapter: PEFT folder or safetensors file': 'LoRA 适配器：PEFT 文件夹或 safetensors 文件',
  'compute in this dtype; default: that of the weights': '以此类型计算；默认同权重',
  'with int8 or int4 weights: int8 rounds their inputs to 8 bits and multiplies integers, faster; none is exact; default auto: int8 where weights have 4 bits, on the CPU and not in float64':
    '权重为 int8 或 int4 时：int8 把其输入舍入为 8 位并以整数相乘，更快；none 为精确；默认 auto：权重为 4 位、在 CPU 上且不是 float64 时为 int8',
  'with int8 or int4 weights: int8 rounds their inputs to 8 bits and multiplies integers, faster; auto: where weights have 4 bits; default none: exact':
    '权重为 int8 或 int4 时：int8 把其输入舍入为 8 位并以整数相乘，更快；auto：权重为 4 位之处；默认 none：精确',
  'default cpu': '默认 cpu',
  '{"input_ids": [[…]], "attention_mask"?, "loss_mask"?}; - reads stdin':
    '{"input_ids": [[…]]，可有 "attention_mask"、"loss_mask"}；- 读标准输入',
  'where the tensors go': '张量写到哪里',
  'logits of the last K positions only': '只要最后 K 个位置的 logits',
  'also loss and grad.<published tensor name>': '还有 loss 与 grad.<官方张量名>，即梯度',
  [`a Jinja chat template, "model" for that of the folder, or ${BUILT_IN_CHATS.join(', ')}; default: the family's own format, else the folder's template`]: `Jinja 对话模板，"model" 指文件夹中的那个，或 ${BUILT_IN_CHATS.join('、')}；默认：家族自己的格式，否则文件夹的模板`,
  'records: conversations that end with an answer, prompt and completion, or prompt, chosen and rejected':
    '记录：以回答结尾的对话，prompt 与 completion，或 prompt、chosen 与 rejected',
  'where the scores go, a JSON line each; default stdout': '分数写到哪里，每条一行 JSON；默认标准输出',
  'conversations at the same time; default 8': '同时处理的对话数；默认 8',
  'print the means as JSON on stdout; needs --output': '在标准输出上以 JSON 打印均值；需要 --output',
};
