/** Of `generate`, `chat` and `serve`, in Chinese. */
export const generationTexts: Readonly<Record<string, string>> = {
  [`With ids the choices have a text only where there is a tokenizer. Questions are {"input" | "prompt" | "question" | "text": "…"}
or {"messages": […]}; answers come in their order as {"predict": "…"}, to --output or stdout. An interrupted batch
continues when the same command is given again.`]: `给 id 时，只有存在分词器才有文本。问题是 {"input" | "prompt" | "question" | "text": "…"} 或 {"messages": […]}；
回答按次序以 {"predict": "…"} 写到 --output 或标准输出。中断的批次在重复同一命令时继续。`,
  'the text to continue': '要续写的文本',
  'ids.json: rows of ids to continue (needs no tokenizer); questions.jsonl, .csv, .parquet, or "[first##second]": questions; - reads stdin':
    'ids.json：要续写的 id 行（不需要分词器）；questions.jsonl、.csv、.parquet 或 "[first##second]"：问题；- 读标准输入',
  'where answers to questions go; default stdout': '回答写到哪里；默认标准输出',
  'begin anew where the output exists': '输出已存在时从头开始',
  "ask each question in the model's chat format": '以模型的对话格式提出每个问题',
  'put each question into this text, at its {}': '把每个问题放进这段文本的 {} 处',
  'with --chat: names of special tokens in messages become these tokens':
    '与 --chat 同用：消息中特殊 token 的名字成为该 token',
  'with --chat: a system text before each question': '与 --chat 同用：每个问题前的系统文本',
  'answers also say finish_reason and their numbers of tokens': '回答还给出 finish_reason 与 token 数',
  'questions at the same time; default 16': '同时处理的问题数；默认 16',
  'tokens drafted from repetitions; exact, faster on repetitive text; default 0':
    '由重复猜测的 token 数；结果不变，重复文本更快；默认 0',
  'of cached keys and values; default auto: as the model': '缓存的键与值的类型；默认 auto：同模型',
  'default 256': '默认 256',
  'above 0: sample; default: of generation_config.json, else 0':
    '大于 0：采样；默认取自 generation_config.json，否则 0',
  'sample among the K most probable tokens': '在概率最高的 K 个 token 中采样',
  'sample among the most probable tokens that reach this mass': '在累积概率达到此值的最可能 token 中采样',
  'leave out tokens less probable than this share of the best': '去掉概率低于最高者此比例的 token',
  'makes sampling repeatable': '使采样可重复',
  'above 1 discourages repetition; default 1': '大于 1 抑制重复；默认 1',
  "CTRL's (default) or Spark's": 'CTRL 的（默认）或星火的',
  'growth of the subtractive penalty; default 0.1': '减法惩罚的增量；默认 0.1',
  'subtracted from every token that has come; default 0': '从每个出现过的 token 减去；默认 0',
  'subtracted for each time that a token has come; default 0': '按 token 出现的次数减去；默认 0',
  'beam search with this many beams': '以这么多束做束搜索',
  'of beam search; above 0 prefers long answers; default 1': '束搜索的长度惩罚；大于 0 偏好长回答；默认 1',
  'end an answer before any of these texts': '在这些文本之前结束回答',
  'do not stop at the end token': '遇到结束 token 不停',
  'print {"choices": [{"ids", "text", "finish_reason"}]} on stdout':
    '在标准输出上打印 {"choices": [{"ids", "text", "finish_reason"}]}',
  'While talking: /reset forgets the conversation, /help lists the commands, /exit (or Ctrl-D) ends it, Ctrl-C stops an answer.':
    '对话中：/reset 忘掉对话，/help 列出命令，/exit（或 Ctrl-D）结束，Ctrl-C 停止当前回答。',
  'names of special tokens in messages become these tokens': '消息中特殊 token 的名字成为该 token',
  'a system text for the whole conversation': '整个对话的系统文本',
  'say this, print the answer and end; several are one conversation':
    '说这句话，打印回答后结束；多句为同一对话',
  'with --message: print {"messages": […]} on stdout':
    '与 --message 同用：在标准输出上打印 {"messages": […]}',
  [`Ready when GET /health answers 200. Keys may also stand in XINGHE_API_KEY and XINGHE_ADMIN_KEY.
SIGTERM, SIGHUP or Ctrl-C waits for the requests under way and ends; a second Ctrl-C ends at once.`]: `GET /health 返回 200 即就绪。密钥也可放在 XINGHE_API_KEY 与 XINGHE_ADMIN_KEY。
SIGTERM、SIGHUP 或 Ctrl-C 等进行中的请求完成后结束；再按 Ctrl-C 立即结束。`,
  'default 127.0.0.1: this machine alone': '默认 127.0.0.1：只限本机',
  'default 8000; 0: one that is free': '默认 8000；0：取空闲端口',
  'keys that callers must have, one a line': '调用者必须持有的密钥，每行一个',
  'keys that may load and unload adapters as well': '还可加载和卸载适配器的密钥',
  'listen on other addresses without keys': '没有密钥也在其他地址上监听',
  'web pages of others that may call': '允许调用的其他网页',
  'further names of this server, where it has no keys': '没有密钥时，本服务器的其他名字',
  'proxies whose X-Forwarded-For the log believes, e.g. 127.0.0.1 10.0.0.0/8':
    '日志采信其 X-Forwarded-For 的代理，如 127.0.0.1 10.0.0.0/8',
  'LoRA adapters, each a model of its own name': 'LoRA 适配器，各以自己的名字作为模型',
  'default: name of the model folder, or of the one around "model", "final", …':
    '默认：模型文件夹的名字，或 "model"、"final" 等的上一级',
  'names of special tokens in messages become these tokens; default: text':
    '消息中特殊 token 的名字成为该 token；默认当作文本',
  'requests may bring templates of their own': '请求可自带模板',
  'tokens of prompt and answer; default: as the model': '提示与回答的 token 总数；默认同模型',
  'texts that run together; default 64': '同时运行的文本数；默认 64',
  'tokens of one step; default 512': '一步的 token 数；默认 512',
  'e.g. 8GB; default: by the free memory': '如 8GB；默认按空闲内存',
  'the same in tokens': '同上，以 token 计',
  'int8 holds twice as many; default auto': 'int8 可容纳两倍；默认 auto',
  'compute beginnings that were seen before again': '见过的前缀也重新计算',
  'keys find beginnings of each other in the cache, and can tell so': '不同密钥共用缓存的前缀，并可能察觉到',
  'tokens guessed from repetitions in the text; default 0': '由文本中的重复猜测的 token 数；默认 0',
  'every caller may say whose request goes first': '任何调用者都可指定优先级',
  'of /v1/embeddings: the last token, or the mean over all; default last':
    '/v1/embeddings：最后一个 token，或全部的平均；默认 last',
  'further ones get 429; default 256': '再多则返回 429；默认 256',
  'of their prompts together; default 262144': '其提示 token 总数；默认 262144',
  'under way at the same time; default 0, no limit': '同时进行的数目；默认 0，不限',
  'seconds for requests under way at the end; default 30': '结束时给进行中请求的秒数；默认 30',
  'seconds without a step until health fails; default 60': '多少秒没有一步则健康检查失败；默认 60',
  '/metrics needs no key': '/metrics 不需要密钥',
  'no line for each request on stderr': '不在标准错误上逐请求记录',
};
