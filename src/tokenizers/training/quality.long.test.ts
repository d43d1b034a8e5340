/** On real text: as few tokens for it as with sentencepiece's own training, at equal vocabulary. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requiresPython, requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { loadTokenizer } from '../load-tokenizer.js';
import { trainSentencePiece } from './train-sentencepiece.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-quality-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = sharedData('sft');
const evaluation = sharedData('eval/agieval');
const python = referencePython();

test('bytes per token are at most 0.5 % below those of sentencepiece', {
  ...requiresPython(python),
  ...requiresShared(data, evaluation),
  timeout: 240_000,
}, async () => {
  const lines: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string')
      lines.push(...value.split(/\n|<_user>|<_bot>|<_end>/).filter((line) => line !== ''));
    else if (typeof value === 'object' && value !== null)
      for (const part of Object.values(value)) collect(part);
  };
  for (const path of [data!, evaluation!]) {
    for (const name of readdirSync(path)
      .filter((file) => file.endsWith('.jsonl'))
      .slice(0, 6)) {
      for (const line of readFileSync(join(path, name), 'utf8').split('\n'))
        if (line.trim() !== '') collect(JSON.parse(line));
    }
  }
  const corpus = join(folder, 'corpus.txt');
  writeFileSync(corpus, `${lines.join('\n')}\n`);
  for (const algorithm of ['bpe', 'unigram'] as const) {
    const options = { algorithm, vocabSize: 8000 };
    const { file, model } = await trainSentencePiece(options, { files: [corpus], workers: 1 });
    const own = join(folder, `${algorithm}.model`);
    writeFileSync(own, file);
    const theirs = runReference<{ pieces: string[]; ids: number[][]; tokens: number }>(
      python!,
      `import json, sys, sentencepiece
source, prefix, kind, own = sys.argv[1:]
sentencepiece.SentencePieceTrainer.train(input=source, model_prefix=prefix, model_type=kind, vocab_size=8000, num_threads=2, minloglevel=2)
lines = open(source, encoding='utf8').read().split('\\n')
load = lambda path: sentencepiece.SentencePieceProcessor(model_file=path)
theirs = load(prefix + '.model')
print(json.dumps({'pieces': [theirs.id_to_piece(i) for i in range(len(theirs))], 'tokens': sum(map(len, theirs.encode(lines))), 'ids': load(own).encode(lines)}))`,
      [corpus, join(folder, 'theirs'), algorithm, own],
    );
    const texts = readFileSync(corpus, 'utf8').split('\n');
    const tokenizer = loadTokenizer(own);
    let tokens = 0;
    for (const [index, ids] of theirs.ids.entries()) {
      // Spread over all lines, so that the comparison costs little; the ids of every line are counted.
      if (index % 7 === 0) expect(tokenizer.encode(texts[index]!), texts[index]!).toEqual(ids);
      tokens += ids.length;
    }
    expect(tokens / theirs.tokens, algorithm).toBeLessThan(1.005);
    if (algorithm === 'bpe') expect(model.pieces.map((piece) => piece.text)).toEqual(theirs.pieces);
  }
});
