/** Vocabularies that nearly use up their text: SentencePiece goes on to the last pair, and so do we. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requiresPython } from '../../../tests/support/requires.js';
import { trainSentencePiece } from './train-sentencepiece.js';

const python = referencePython();
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'small-text-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Pieces of the largest vocabulary that SentencePiece gives, up to the one asked for. */
const TRAIN = `
import sentencepiece as spm, json, sys
path, wanted = sys.argv[1], int(sys.argv[2])
spm.SentencePieceTrainer.train(input=path, model_prefix=path, model_type='bpe', vocab_size=wanted, byte_fallback=True, hard_vocab_limit=False,
  character_coverage=0.9995, num_threads=1, minloglevel=2)
p = spm.SentencePieceProcessor(model_file=path + '.model')
print(json.dumps([p.id_to_piece(i) for i in range(p.get_piece_size())]))
`;

const TEXTS = {
  english:
    'the quick brown fox jumps over the lazy dog and the cat sat on the mat while birds sing in trees\n'.repeat(
      3,
    ),
  mixed: 'abababab cdcdcdcd abcabc 你好世界 你好 世界和平\naaaa aaa aa a bbbb\nabcd bcda cdab dabc\n'.repeat(
    2,
  ),
  lines: Array.from(
    { length: 12 },
    (_, index) => `word${index} number ${index * 37} alphabet soup ${index}\n`,
  ).join(''),
};

describe('the text is nearly used up', requiresPython(python), () => {
  it.each(
    Object.entries(TEXTS).flatMap(([name, text]) =>
      [340, 400, 500].map((size) => [name, size, text] as const),
    ),
  )('%s, %d pieces', async (name, vocabSize, text) => {
    const path = join(folder, `${name}-${vocabSize}.txt`);
    writeFileSync(path, text);
    const theirs = runReference<string[]>(python ?? '', TRAIN, [path, String(vocabSize)]);
    const { model } = await trainSentencePiece(
      { algorithm: 'bpe', vocabSize, byteFallback: true, softVocabLimit: true },
      { files: [path], workers: 1 },
    );
    expect(model.pieces.map((piece) => piece.text)).toEqual(theirs);
  });
});
