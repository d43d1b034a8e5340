/** Golden models as llama.cpp takes them: it loads no file without a vocabulary into its bindings. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goldenFolder } from './golden.js';

/** The golden models of families whose layout llama.cpp has. */
export const ggufModels = [
  'xverse',
  'telechat-7b',
  'telechat-12b',
  'telechat-52b',
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
] as const;

/** A copy of a golden model in the new folder `path`, a tokenizer beside it whose ids fit its 320 rows. */
export function withTokenizer(name: string, path: string): string {
  mkdirSync(path);
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(`${goldenFolder}${name}/${file}`, join(path, file));
  writeFileSync(join(path, 'tokenizer.model'), smallSentencePiece());
  return path;
}

/** 256 byte pieces and a few characters, as SentencePiece's message. */
function smallSentencePiece(): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const piece = (text: string, score: number, type: number): Buffer => {
    const value = Buffer.alloc(5, 0x15);
    value.writeFloatLE(score, 1);
    return field(1, Buffer.concat([field(1, Buffer.from(text)), value, Buffer.from([0x18, type])]));
  };
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    piece(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, 0, 6),
  );
  return Buffer.concat([
    piece('<unk>', 0, 2),
    piece('<s>', 0, 3),
    piece('</s>', 0, 3),
    ...bytes,
    piece('7', 0, 4),
    piece('<_user>', 0, 4),
    piece('ab', -1, 1),
    ...['▁', 'a', 'b', 'c'].map((text, index) => piece(text, -2 - index, 1)),
    field(2, Buffer.from([0x18, 2, 0x98, 0x02, 1])), // BPE, byte fallback
    field(3, Buffer.from([0x18, 1, 0x20, 0])), // a space before the first word, all others kept
  ]);
}
