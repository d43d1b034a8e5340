/** What `--help` shows as examples, by command, in both languages. help.test.ts parses every line with the options of its command. */
export interface Example {
  readonly command: string;
  readonly english: string;
  readonly chinese: string;
}

const example = (command: string, english: string, chinese: string): Example => ({
  command,
  english,
  chinese,
});

export const examples: Readonly<Record<string, readonly Example[]>> = {
  demo: [
    example('xinghe demo --quick --output out/quick', 'the whole life in a minute', '一分钟走完全程'),
    example('xinghe demo --seed 7 --json', 'another world, the report as JSON', '换一个世界，报告为 JSON'),
  ],
  doctor: [example('xinghe doctor', 'what works on this machine', '本机能用什么')],
  setup: [example('xinghe setup', 'make everything ready before the first use', '首次使用前备好一切')],
  tokenizer: [
    example('xinghe tokenizer encode --tokenizer out/demo/model "你好，world"', 'ids of a text', '文本的 id'),
  ],
  'tokenizer encode': [
    example('xinghe tokenizer encode --tokenizer out/demo/model "你好，world"', 'ids of a text', '文本的 id'),
    example(
      'xinghe tokenizer encode --tokenizer out/demo/model --input lines.jsonl --output ids.jsonl',
      'of a file',
      '整个文件',
    ),
  ],
  'tokenizer decode': [
    example('xinghe tokenizer decode --tokenizer out/demo/model 5 6 7', 'the text of ids', 'id 对应的文本'),
  ],
  'tokenizer train': [
    example(
      'xinghe tokenizer train --type sentencepiece-bpe --vocab-size 32000 --input texts.jsonl --output spm.model',
      'a SentencePiece vocabulary',
      'SentencePiece 词表',
    ),
    example(
      'xinghe tokenizer train --type byte-level-bpe --vocab-size 32000 --input texts.jsonl --output tokenizer.json',
      'a byte-level one',
      '字节级词表',
    ),
  ],
  'tokenizer report': [
    example(
      'xinghe tokenizer report --tokenizer spm.model --input texts.jsonl',
      'how well it fits texts',
      '与文本的契合度',
    ),
  ],
  'tokenizer merge': [
    example(
      'xinghe tokenizer merge --base tokenizer.json --add other.json --output merged.json',
      'further pieces behind the old ids',
      '新词元排在旧 id 之后',
    ),
  ],
  data: [example('xinghe data inspect out/rows', 'what a dataset holds', '数据集里有什么')],
  'data prepare': [
    example(
      'xinghe data prepare --form alpaca --recipe spark-sft --tokenizer spark.model --seq-length 8192 --input alpaca.json --format mindrecord --output rows.mindrecord',
      'rows as Spark publishes them',
      '星火官方形式的训练行',
    ),
    example(
      'xinghe data prepare --form messages --recipe xverse-sft --tokenizer out/demo/model --seq-length 128 --packing best-fit --validation 0.02 --input dialogues.jsonl --output out/rows',
      'dialogues, packed, a part held out',
      '打包对话，并留出一部分',
    ),
  ],
  'data merge': [
    example(
      'xinghe data merge --input out/part-1 out/part-2 --output out/rows',
      'the parts of a job array',
      '合并作业数组的各部分',
    ),
  ],
  'data inspect': [
    example('xinghe data inspect out/rows --row 3', 'a row as people read it', '以可读形式看一行'),
    example('xinghe data inspect out/rows --step 2 --rows-per-step 4', 'the rows of a step', '某一步的各行'),
  ],
  train: [
    example(
      'xinghe train --config run.yaml --set training.steps=100 output=out/try',
      'a run with changes',
      '运行并改几个值',
    ),
    example('xinghe train --config run.yaml --resume auto', 'go on where it stopped', '从停处继续'),
    example('xinghe train --config run.yaml --dry-run', 'check everything first', '先检查一切'),
  ],
  run: [
    example(
      'xinghe run --config run_iflytekspark_13b_sft_800T_A2_64G.yaml --load_checkpoint weights/spark-13b --train_dataset train_dataset.mindrecord --tokenizer_file spark.model',
      'fine-tune as the file says',
      '按文件微调',
    ),
    example(
      "xinghe run --config run_iflytekspark_13b_infer_800T_A2_64G.yaml --load_checkpoint weights/spark-13b --predict_data '[你是谁##1+1=?]' --prompt '<User> {}<end><Bot> '",
      'ask two questions',
      '问两个问题',
    ),
    example(
      'xinghe run --config run_iflytekspark_13b_sft_800T_A2_64G.yaml --run_mode eval --load_checkpoint weights/spark-13b --eval_dataset held.mindrecord',
      'perplexity on rows',
      '在行上的困惑度',
    ),
    example(
      'xinghe run --config run_iflytekspark_13b_infer_800T_A2_64G.yaml --run_mode export --load_checkpoint weights/spark-13b --mindir_save_dir out/exported',
      'the model for other programs',
      '导出给其他程序',
    ),
  ],
  persona: [
    example(
      'xinghe persona run --model out/demo/model --attributes recipes/persona/attributes.json --teacher rules --output out/persona',
      'all steps, without a teacher model',
      '走完全部步骤，不用教师模型',
    ),
  ],
  'persona assemble': [
    example(
      'xinghe persona assemble --attributes recipes/persona/attributes.json --output prompts.jsonl',
      'prompts of our template',
      '用自带模板组装提示',
    ),
    example(
      'xinghe persona assemble --attributes recipes/persona/cat.yaml --template questions.jsonl --form english --output prompts.txt',
      'of a role card and questions of your own',
      '用角色卡与自己的问题',
    ),
  ],
  'persona extract': [
    example(
      'xinghe persona extract --prompts prompts.jsonl --teacher spark --keys keys.env --output answers',
      'ask Spark',
      '向星火提问',
    ),
    example(
      'xinghe persona extract --prompts prompts.jsonl --teacher http://127.0.0.1:8000/v1 --rate 5 --output answers',
      'ask a server, five questions a second',
      '向一个服务提问，每秒五问',
    ),
    example(
      'xinghe persona extract --prompts prompts.jsonl --teacher rules --attributes recipes/persona/attributes.json --output answers',
      'answers of the table alone',
      '只按属性表作答',
    ),
  ],
  'persona prepare': [
    example(
      'xinghe persona prepare --answers answers --attributes recipes/persona/attributes.json --general chats.jsonl --output data',
      'with general dialogues mixed in',
      '混入通用对话',
    ),
  ],
  'persona train': [
    example(
      'xinghe persona train --data data --model out/demo/model --output training',
      'all weights',
      '全量训练',
    ),
    example(
      'xinghe persona train --data data --model out/demo/model --output training --lora --set training.learning_rate=1e-3',
      'an adapter, learned faster',
      '适配器，学习率更高',
    ),
  ],
  'persona measure': [
    example(
      'xinghe persona measure --model training/final --attributes recipes/persona/attributes.json --questions data/questions.jsonl --output after',
      'the held-out questions',
      '用留出的问题测量',
    ),
    example(
      'xinghe persona measure --model training/final --attributes recipes/persona/attributes.json --judge https://judge.example/v1 --against before --output after',
      'by a judge too, beside the model before',
      '另加评判，并与训练前比较',
    ),
  ],
  'persona run': [
    example(
      'xinghe persona run --model out/demo/model --attributes recipes/persona/attributes.json --teacher rules --general out/demo/world/dialogues.jsonl --output out/persona',
      'with what the demo has made',
      '只用演示的产物',
    ),
    example(
      'xinghe persona run --model weights/spark-13b --attributes recipes/persona/cat.yaml --teacher spark --keys keys.env --lora --output out/cat',
      'a character as an adapter, Spark as teacher',
      '以星火为教师，把角色训练成适配器',
    ),
  ],
  launch: [
    example(
      'xinghe launch --nproc 2 -- train --config run.yaml',
      'two ranks on this machine',
      '本机两个 rank',
    ),
    example(
      'xinghe launch --nproc 8 --nnodes 2 --node-rank 0 --rendezvous node0:29400 --max-restarts 3 -- train --config run.yaml',
      'the first of two machines',
      '两台机器中的第一台',
    ),
    example(
      'xinghe launch --rank-table hccl_8p_01234567_10.0.0.1.json -- run --config run.yaml --use_parallel True',
      'by a rank table',
      '按 rank table 启动',
    ),
  ],
  'launch rank-table': [
    example(
      "xinghe launch rank-table '[0,8)' --server-ip 10.0.0.1 --output tables",
      'eight devices of a server',
      '一台服务器的八个设备',
    ),
  ],
  'launch merge-rank-tables': [
    example(
      'xinghe launch merge-rank-tables hccl_8p_01234567_10.0.0.1.json hccl_8p_01234567_10.0.0.2.json --output tables',
      'two servers as one table',
      '两台服务器合成一张表',
    ),
  ],
  watch: [
    example('xinghe watch out/first out/second --port 8080', 'two runs side by side', '两个运行并排看'),
  ],
  plan: [
    example('xinghe plan --config run.yaml', 'does this run fit?', '这个运行放得下吗？'),
    example(
      'xinghe plan --model out/demo/model --precision bfloat16-mixed --sequence-length 4096 --recompute full',
      'of a model alone',
      '只按模型估算',
    ),
    example(
      'xinghe plan --config run.yaml --layout auto --devices 8 --device-memory 64GB --bandwidth 25GB',
      'how eight devices can share it',
      '八个设备如何分担',
    ),
    example(
      'xinghe plan --for generation --model out/demo/model --quantize int8 --max-sequences 8 --kv-dtype int8',
      'does the quantised model fit, with the pages of eight texts?',
      '量化后的模型加上八段文本的页，放得下吗？',
    ),
  ],
  convert: [
    example(
      'xinghe convert --from spark-13b --to out/spark-bf16 --dtype bfloat16',
      'another dtype',
      '换数据类型',
    ),
    example(
      'xinghe convert --from spark-13b --to out/ranks --layout dp=1,mp=8',
      'ranks as MindSpore keeps them',
      'MindSpore 形式的多 rank',
    ),
    example(
      'xinghe convert --from out/model --to out/model.gguf --check-logits',
      'a GGUF, proven',
      '转成 GGUF 并验证',
    ),
    example(
      'xinghe convert --from out/model --to out/merged --merge --adapter out/adapter',
      'LoRA merged',
      '并入 LoRA',
    ),
    example(
      'xinghe convert --from xverse-13b --to out/llama --as llama',
      'as transformers loads a Llama',
      '转成 transformers 的 Llama',
    ),
  ],
  export: [
    example('xinghe export --model out/demo/model --to onnx --output out/onnx', 'a graph', '导出为图'),
    example(
      'xinghe export --model out/demo/model --to onnx --output out/onnx-int8 --dtype int8 --context-length 512 --overwrite',
      'small, for short texts',
      '更小，用于短文本',
    ),
    example(
      'xinghe export --model out/demo/model --to onnx --output out/page --browser-runtime onnxruntime-web/package',
      'with a chat page for browsers',
      '附带浏览器聊天网页',
    ),
  ],
  quantize: [
    example('xinghe quantize --model out/demo/model --to int4 --output out/int4', 'four bits', '4 位'),
    example(
      'xinghe quantize --model out/demo/model --to int4 --calibration texts.jsonl --measure held.jsonl --output out/gptq',
      'with a calibration, measured',
      '带校准并测量',
    ),
    example(
      'xinghe quantize --model weights/xverse-13b --to int4 --scheme auto --target-bytes 10000000000 --calibration texts.jsonl --output out/auto',
      'as many bits for each layer as fit',
      '按总大小为各层分配位数',
    ),
  ],
  forward: [
    example(
      'xinghe forward --model out/demo/model --input ids.json --output logits.safetensors --dtype float64 --gradients',
      'logits, loss, gradients',
      'logits、损失与梯度',
    ),
  ],
  score: [
    example(
      'xinghe score --model out/reward/final --input answers.jsonl --output scores.jsonl',
      'scores of a file',
      '给文件打分',
    ),
  ],
  judge: [
    example(
      'xinghe judge out/a out/b --judge https://judge.example/v1 --output out/compared',
      'two models by a judge',
      '由评判比较两个模型',
    ),
    example(
      'xinghe judge out/a --labels people.jsonl --output out/agreement',
      'the judge against people',
      '评判与人工对照',
    ),
  ],
  evaluate: [
    example(
      'xinghe evaluate --model out/demo/model --task ceval,mmlu --data sets --output out/evaluated',
      'two sets',
      '两个评测集',
    ),
    example(
      'xinghe evaluate --model http://127.0.0.1:8000/v1 --task gsm8k --data sets --limit 100 --output out/gsm8k',
      'a server, a hundred samples',
      '一个服务，一百条样本',
    ),
  ],
  compare: [
    example('xinghe compare out/first out/second --output out/compared', 'sample by sample', '逐样本比较'),
  ],
  generate: [
    example(
      'xinghe generate --model out/demo/model --prompt "林" --max-new-tokens 32',
      'continue a text',
      '续写',
    ),
    example(
      'xinghe generate --model out/demo/model --input questions.jsonl --output answers.jsonl --chat',
      'a file of questions',
      '一个问题文件',
    ),
    example(
      'xinghe generate --model ORG/NAME --hub https://huggingface.co --prompt "Hello"',
      'a model of the hub',
      'hub 上的模型',
    ),
  ],
  chat: [
    example('xinghe chat --model out/demo/model', 'talk', '对话'),
    example(
      'xinghe chat --model out/demo/model --message "你是谁？" "Who are you?" --json',
      'two messages, and the end',
      '说两句便结束',
    ),
  ],
  serve: [
    example('xinghe serve --model out/demo/model', 'on this machine, port 8000', '本机 8000 端口'),
    example(
      'xinghe serve --model out/demo/model --host 0.0.0.0 --api-key-file keys.txt --adapter poet=out/poet',
      'for others, with keys and an adapter',
      '对外服务，带密钥与适配器',
    ),
  ],
  completion: [
    example(
      'xinghe completion bash',
      'to be read by the shell: source <(xinghe completion bash)',
      '由 shell 读入：source <(xinghe completion bash)',
    ),
    example(
      'xinghe completion zsh',
      'into a file _xinghe of a folder of fpath',
      '写入 fpath 中某文件夹的 _xinghe',
    ),
    example(
      'xinghe completion fish',
      'into ~/.config/fish/completions/xinghe.fish',
      '写入 ~/.config/fish/completions/xinghe.fish',
    ),
  ],
  bench: [example('xinghe bench train', 'a training step of 33M parameters', '3300 万参数的一个训练步')],
  'bench train': [
    example(
      'xinghe bench train --against pytorch --python venv/bin/python',
      'in turns with PyTorch',
      '与 PyTorch 轮流',
    ),
    example(
      'xinghe bench train --size 130m --dtype bfloat16-mixed --lora 8 --require-quiet --output results/',
      'LoRA, on a quiet machine, kept',
      'LoRA，机器空闲时测，保存结果',
    ),
  ],
  'bench decode': [
    example(
      'xinghe bench decode --size 1.3b --sequences 4',
      'four sequences of random weights',
      '随机权重，四个序列',
    ),
    example(
      'xinghe bench decode --model out/demo/model --against llama.cpp --from peers',
      'in turns with llama.cpp',
      '与 llama.cpp 轮流',
    ),
  ],
  'bench prompt': [
    example('xinghe bench prompt --prompt 512', 'a longer prompt', '更长的提示'),
    example(
      'xinghe bench prompt --from-start --model out/demo/model',
      'start to first token',
      '从启动到首 token',
    ),
  ],
  'bench serve': [
    example('xinghe bench serve --streams 200 --new 16', 'two hundred connections', '二百个连接'),
  ],
  'bench tokenizer': [
    example(
      'xinghe bench tokenizer --tokenizer spm.model --input texts.jsonl --against sentencepiece --python venv/bin/python',
      'encoding, in turns with sentencepiece',
      '编码，与 sentencepiece 轮流',
    ),
    example(
      'xinghe bench tokenizer --train byte-level-bpe --vocab-size 8000',
      'training a vocabulary',
      '训练词表',
    ),
  ],
  'bench convert': [
    example(
      'xinghe bench convert --to bfloat16 --against safetensors',
      'against load and save',
      '与加载加保存比较',
    ),
  ],
  'bench data': [
    example(
      'xinghe bench data --workers 2 --against datasets',
      'two workers, against datasets',
      '双线程，与 datasets 比较',
    ),
  ],
  'bench op': [
    example(
      'xinghe bench op --against pytorch',
      'a call, against PyTorch eager',
      '一次调用，与 PyTorch 即时模式比较',
    ),
    example('xinghe bench op --linear', 'products by both libraries', '两个库的乘积'),
  ],
  'bench cost': [
    example('xinghe bench cost queue', 'does waiting cost anything?', '等待有开销吗？'),
    example(
      'xinghe bench cost context --size 130m',
      'a step by the length of the context',
      '一步的耗时随上下文长度',
    ),
  ],
};
