// Training a vocabulary on real text: ours against sentencepiece (BPE, unigram) and Hugging Face tokenizers (byte-level
// BPE), each run in a process of its own, in turns, on the same number of threads.
//
//   node bench/tokenizer-training.mjs --data FOLDER… --python PYTHON [--megabytes 20] [--vocab 32000] [--threads 2]
//        [--rounds 3] [--only bpe,unigram,byte-level]
//
// --data: folders of .jsonl, .json, .csv and .txt files. All their texts, line by line, are the corpus; where they do not
// reach --megabytes, sentences of them are recombined at random until they do. --python: an interpreter that has
// sentencepiece and tokenizers (node tools/reference-python.mjs makes one). Printed are the best times of training
// alone, reading the file and writing the result included, starting Node or Python not; and bytes per token on the corpus.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: [] },
    python: { type: 'string', default: 'python3' },
    megabytes: { type: 'string', default: '20' },
    vocab: { type: 'string', default: '32000' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'bpe,unigram,byte-level' },
    child: { type: 'string' },
  },
});

/** Ours, in a process of its own: trains and prints the seconds. */
async function runChild({ kind, input, output, vocab, threads }) {
  const { trainByteLevelBpeOnFiles, trainSentencePiece } = await import('../dist/tokenizers/index.js');
  const start = performance.now();
  const files = { files: [input], workers: threads };
  if (kind === 'byte-level') {
    const { json } = await trainByteLevelBpeOnFiles({ vocabSize: vocab }, files);
    writeFileSync(output, JSON.stringify(json));
  } else writeFileSync(output, (await trainSentencePiece({ algorithm: kind, vocabSize: vocab }, files)).file);
  console.log((performance.now() - start) / 1000);
}

const peer = `
import json, os, sys, time
kind, source, output, vocab, threads, pattern = sys.argv[1:]
os.environ['RAYON_NUM_THREADS'] = threads
if kind == 'byte-level':
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    start = time.perf_counter()
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train([source], trainers.BpeTrainer(vocab_size=int(vocab), min_frequency=2, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.save(output)
else:
    import sentencepiece
    start = time.perf_counter()
    sentencepiece.SentencePieceTrainer.train(input=source, model_prefix=output[:-6], model_type=kind, vocab_size=int(vocab), num_threads=int(threads), minloglevel=2)
print(time.perf_counter() - start)
`;

const measure = `
import json, sys
source, kind = sys.argv[1:3]
lines = open(source, encoding='utf8').read().split('\\n')
size = sum(len(line.encode()) for line in lines)
rates = []
for path in sys.argv[3:]:
    if kind == 'byte-level':
        from tokenizers import Tokenizer
        t = Tokenizer.from_file(path)
        rates.append(size / sum(len(e.ids) for e in t.encode_batch(lines)))
    else:
        import sentencepiece
        rates.append(size / sum(map(len, sentencepiece.SentencePieceProcessor(model_file=path).encode(lines))))
print(json.dumps(rates))
`;

function* filesUnder(folder) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

function* stringsIn(value) {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) yield* stringsIn(part);
}

function* textsOf(path) {
  if (path.endsWith('.jsonl')) {
    for (const line of readFileSync(path, 'utf8').split('\n'))
      if (line.trim() !== '') yield* stringsIn(JSON.parse(line));
  } else if (path.endsWith('.json')) yield* stringsIn(JSON.parse(readFileSync(path, 'utf8')));
  else if (/\.(csv|txt)$/.test(path)) yield readFileSync(path, 'utf8');
}

function writeCorpus(path, bytes) {
  const lines = [];
  for (const folder of options.data)
    for (const file of filesUnder(folder))
      for (const text of textsOf(file))
        for (const line of text.split(/\n|<_user>|<_bot>|<_end>/))
          if (line.trim() !== '') lines.push(line.trim());
  if (lines.length === 0) throw new Error('no text; name folders with --data');
  const sentences = lines.flatMap((line) => line.match(/[^。！？；.!?;]+[。！？；.!?;]*\s?/gu) ?? []);
  let state = 12345;
  const below = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let size = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  while (size < bytes) {
    const line = Array.from({ length: 1 + below(6) }, () => sentences[below(sentences.length)])
      .join('')
      .trim();
    if (line === '') continue;
    lines.push(line);
    size += Buffer.byteLength(line) + 1;
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  return size;
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr.slice(-2000)}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

if (options.child !== undefined) await runChild(JSON.parse(options.child));
else {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-bench-'));
  try {
    const corpus = join(folder, 'corpus.txt');
    const size = writeCorpus(corpus, Number(options.megabytes) * 1e6);
    const { trainByteLevelBpe } = await import('../dist/tokenizers/index.js');
    const { pretokenizers } = trainByteLevelBpe({ texts: [], vocabSize: 256 }).pre_tokenizer;
    const pattern = pretokenizers[0].pattern.Regex;
    const load = loadavg()[0].toFixed(1);
    console.log(
      `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, load ${load}; ${(size / 1e6).toFixed(1)} MB, vocabulary ${options.vocab}, ${options.threads} threads`,
    );
    console.log(
      '| vocabulary | ours s, each round | peer s, each round | best, ours / peer | bytes per token, ours (peer) |',
    );
    console.log('| --- | --- | --- | --- | --- |');
    for (const kind of options.only.split(',')) {
      const ending = kind === 'byte-level' ? 'json' : 'model';
      const [own, other] = [join(folder, `own.${ending}`), join(folder, `peer.${ending}`)];
      const times = { own: [], other: [] };
      const job = {
        kind,
        input: corpus,
        output: own,
        vocab: Number(options.vocab),
        threads: Number(options.threads),
      };
      for (let round = 0; round < Number(options.rounds); round++) {
        times.own.push(
          run(process.execPath, [fileURLToPath(import.meta.url), '--child', JSON.stringify(job)]),
        );
        times.other.push(
          run(options.python, ['-c', peer, kind, corpus, other, options.vocab, options.threads, pattern]),
        );
      }
      const [ownRate, otherRate] = run(options.python, ['-c', measure, corpus, kind, own, other]);
      const list = (numbers) => numbers.map((number) => number.toFixed(2)).join(', ');
      const ratio = Math.min(...times.own) / Math.min(...times.other);
      console.log(
        `| ${kind} | ${list(times.own)} | ${list(times.other)} | ${ratio.toFixed(2)} | ${ownRate.toFixed(4)} (${otherRate.toFixed(4)}) |`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
